"""What Dask would keep of every task it has ever seen: a service has jobs by the million, and runs for months.

Settings do not turn it off. Importing this imports Dask.
"""

from __future__ import annotations

from typing import Any

from dask.utils import key_split
from distributed.spans import SpansSchedulerExtension


class NoSpans(SpansSchedulerExtension):
    """Puts no task in a span.

    A span is a group of tasks that users name, to see them together on the dashboard. Those nobody names get a new one
    whenever the scheduler was idle before, and all are kept, with 2 kB each here and as much on each worker.
    """

    def observe_tasks(self, *_: Any, **__: Any) -> dict[Any, dict[str, Any]]:
        return {}

    def heartbeat(self, *_: Any) -> None:
        """What the workers measured for spans belongs to none."""


def forget_names() -> None:
    """Empty the cache of what task names begin with: 100 000 names, and each of ours comes once."""
    key_split.cache_clear()
