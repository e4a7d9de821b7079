"""What can be run: job descriptions, their parameters, and the registry that finds them.

A job's vocabulary is the IVOA Provenance one: parameters, used (input files), generated (results).
"""
