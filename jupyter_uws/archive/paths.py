"""Where the user's archive is."""

from __future__ import annotations

import os
from pathlib import Path


def default_archive() -> Path:
    """``$JUPYTER_UWS_ARCHIVE``, else ``$XDG_DATA_HOME/jupyter-uws/archive.duckdb`` (``~/.local/share``)."""
    named = os.environ.get("JUPYTER_UWS_ARCHIVE")
    if named:
        return Path(named).expanduser()
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "jupyter-uws" / "archive.duckdb"
