"""Jupyter widgets over the client."""
