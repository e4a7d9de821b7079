"""Fixtures shared by the tests of every room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def hess_dir() -> Path:
    """The H.E.S.S. DL3 public test data release 1, where this machine has it."""
    folder = Path(os.environ.get("JUPYTER_UWS_HESS_DIR", ROOT.parent / "shared" / "data" / "hess-dl3-dr1"))
    if not (folder / "obs-index.fits.gz").exists():
        pytest.skip("needs the H.E.S.S. DL3 DR1 data store: set JUPYTER_UWS_HESS_DIR to its folder")
    return folder
