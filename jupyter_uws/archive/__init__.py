"""The archive: DL3 data stores to ObsCore rows in a DuckDB file, and the simulated demo store."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import CheckReport, Finding, check_archive
    from .demo import ensure_archive
    from .errors import ArchiveError
    from .ingest import AddReport, add_store, remove_collection
    from .paths import default_archive
    from .reader import Collection, Run, RunHdu, collections, data_store, runs
    from .simulation import TRUTH, simulate

__all__ = [
    "TRUTH",
    "AddReport",
    "ArchiveError",
    "CheckReport",
    "Collection",
    "Finding",
    "Run",
    "RunHdu",
    "add_store",
    "check_archive",
    "collections",
    "data_store",
    "default_archive",
    "ensure_archive",
    "remove_collection",
    "runs",
    "simulate",
]

_HOMES = {
    "CheckReport": "check",
    "Finding": "check",
    "check_archive": "check",
    "ensure_archive": "demo",
    "ArchiveError": "errors",
    "AddReport": "ingest",
    "add_store": "ingest",
    "remove_collection": "ingest",
    "default_archive": "paths",
    "Collection": "reader",
    "Run": "reader",
    "RunHdu": "reader",
    "collections": "reader",
    "data_store": "reader",
    "runs": "reader",
    "TRUTH": "simulation",
    "simulate": "simulation",
}


def __getattr__(name: str) -> Any:
    """Load a module when somebody asks for what is in it (PEP 562): the service never needs astropy."""
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
