"""An observatory in a notebook: search the CTA archive, run UWS jobs, see the results.

Importing this package is cheap on purpose: kernels, the Jupyter server and job
processes all import it, and each needs only its own room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .client import Archive, JobService

__all__ = ["Archive", "JobService", "__version__", "load_ipython_extension"]


def __getattr__(name: str) -> Any:
    """Load the client only when somebody asks for it (PEP 562)."""
    if name in ("Archive", "JobService"):
        from . import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-uws"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .extension import UWSExtension

    return [{"module": "jupyter_uws", "app": UWSExtension}]


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """``%load_ext jupyter_uws``: register ``%%adql``, ``%archive``, ``%uws`` and ``%%remote``."""
    from .magics import register

    register(ipython)
