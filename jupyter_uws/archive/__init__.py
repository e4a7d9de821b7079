"""The archive: DL3 data stores to ObsCore rows in a DuckDB file, and the simulated demo store."""
