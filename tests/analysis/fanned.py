"""A process that is a job's as far as fanning out goes, and gets the helpers that it asks for."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Asked:
    """What was asked of the service, and the helpers that came."""

    counts: list[int] = field(default_factory=list)
    helpers: list[subprocess.Popen[bytes]] = field(default_factory=list)


@contextlib.contextmanager
def place(folder: Path, workers: int, *, come: bool = True) -> Iterator[Asked]:
    """The environment of a job in ``folder``; where helpers do not ``come``, the cluster is busy."""
    reading, writing = os.pipe()
    asked = Asked()
    given = {
        "UWS_WORKERS": str(workers),
        "UWS_HOST": "127.0.0.1",
        "UWS_JOB_DIR": str(folder),
        "UWS_PROGRESS_FD": str(writing),
    }

    def serve() -> None:
        with open(reading, "rb") as words:
            for line in words:
                helpers = json.loads(line).get("helpers")
                if helpers is not None:
                    asked.counts.append(helpers["count"])
                    if come:
                        asked.helpers += [
                            subprocess.Popen(helpers["argv"], cwd=folder) for _ in range(helpers["count"])
                        ]

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            yield asked
    finally:
        os.close(writing)
        thread.join()
        for helper in asked.helpers:
            helper.kill()
            helper.wait()
