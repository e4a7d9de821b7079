"""Programs from npm that tests start: each folder with a lock file installs its own."""

from __future__ import annotations

import fcntl
import importlib.util
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def load_frontend() -> Any:
    """``tools/frontend.py``, which finds a Node."""
    spec = importlib.util.spec_from_file_location("frontend", HERE.parent / "tools" / "frontend.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def install(folder: Path) -> str:
    """Install what the lock file of ``folder`` names, if that is not done; returns the path of Node."""
    command, environment = load_frontend().npm_command()
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # of the processes of one test run, one installs
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            subprocess.run(
                [*command, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
                cwd=folder, env=environment, check=True, timeout=240,
            )  # fmt: skip
    return str(Path(environment["PATH"].partition(":")[0]) / "node")
