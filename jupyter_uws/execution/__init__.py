"""Where jobs run: Dask clusters, the FIFO, the runner on a worker, the supervisor of a job's processes.

This room knows no HTTP and no XML.
"""
