"""The panels of JupyterLab in a notebook's cell: search, job list, job form, job and result.

>>> from jupyter_uws.widgets import JobForm, JobList, JobView, ResultView, SearchWidget
>>> JobList()

They speak to the service through the kernel, so they work wherever widgets do, with any service that the kernel
reaches; JupyterLab's extension is not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .jobs import JobForm, JobList, JobView, ResultView
    from .search import SearchWidget

__all__ = ["JobForm", "JobList", "JobView", "ResultView", "SearchWidget"]


def __getattr__(name: str) -> Any:
    """Load ipywidgets and anywidget only when a widget is asked for (PEP 562)."""
    from importlib import import_module

    if name in __all__:
        return getattr(import_module(".search" if name == "SearchWidget" else ".jobs", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
