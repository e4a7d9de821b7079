"""Dask's settings that the service, its workers and the helpers of jobs have in common, whatever a user configured."""

from __future__ import annotations

from typing import Any

#: No web pages on a port, which would answer every user of a host. And a process that waits sleeps: Dask would
#: wake it a hundred times a second to look at its stack and its clock, 15 % of a core for an idle service.
COMMON: dict[str, Any] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    # What Dask keeps for its developers: the last messages of every connection, with the orders in them, the last
    # computations, and ten hours of the above. It fills for hours, and holds the memory around it in pieces.
    "distributed.admin.low-level-log-length": 10,
    "distributed.diagnostics.computations.max-history": 10,
    "distributed.admin.system-monitor.log-length": 100,
}


def exports() -> list[str]:
    """The same for a job script: Dask reads its settings from variables too."""
    names = ((key.replace(".", "__").replace("-", "_").upper(), value) for key, value in COMMON.items())
    return [f"export DASK_{name}='{value}'" for name, value in names]
