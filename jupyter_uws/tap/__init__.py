"""The Table Access Protocol (IVOA TAP 1.1): ADQL to DuckDB, TAP_SCHEMA, result encoders, handlers.

This room serves any DuckDB file that carries a TAP_SCHEMA; it does not know what the tables mean.
"""
