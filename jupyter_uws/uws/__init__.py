"""The Universal Worker Service pattern (IVOA UWS 1.1): phases, store, manager, documents, handlers.

This room knows no astronomy and no Dask; what a job does is an :class:`~jupyter_uws.uws.manager.Executor`.
"""
