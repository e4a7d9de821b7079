"""Which allocations the batch system holds for us, on disk: none is forgotten, whoever dies.

What a service that was killed leaves there is cancelled by the next: workers in it would find no scheduler.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shlex
from collections.abc import Iterable
from pathlib import Path

from .allocation import Allocation
from .batch import CommandError, call
from .folder import write_json

logger = logging.getLogger(__name__)

#: Seconds to the next try where the batch system cannot be asked to cancel.
RETRY = 5.0
#: Commands at the same time.
AT_ONCE = 8


class Ledger:
    """The allocations that are ours, and those still to be cancelled, in ``file``."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._held: dict[str, list[str]] = {}
        #: Ids of the batch system, with the command that cancels them.
        self._owed = self._left_behind()
        self._cancel_at = 0.0

    @property
    def due(self) -> float | None:
        """When there is something to cancel, by the clock of the event loop; None for nothing."""
        return self._cancel_at if self._owed else None

    def note(self, held: Iterable[Allocation]) -> None:
        """Write down which allocations there are now."""
        self._held = {each.job_id: shlex.split(each.job.cancel_command) for each in held if each.job_id}
        self._write()

    def owe(self, allocation: Allocation) -> None:
        """Have done with an allocation: it is to be cancelled."""
        if allocation.job_id is not None:
            self._held.pop(allocation.job_id, None)
            self._owed[allocation.job_id] = shlex.split(allocation.job.cancel_command)
            self._write()

    async def cancel(self) -> None:
        """Cancel all that is owed; what cannot be cancelled now is later."""
        self._cancel_at = asyncio.get_running_loop().time() + RETRY
        owed = list(self._owed.items())
        for first in range(0, len(owed), AT_ONCE):
            await asyncio.gather(*(self._cancel(*each) for each in owed[first : first + AT_ONCE]))
        self._write()

    async def _cancel(self, job_id: str, command: list[str]) -> None:
        try:
            await call([*command, job_id])
        except CommandError as error:
            if error.transient:
                return
            logger.info("allocation %s has ended already: %s", job_id, error)
        self._owed.pop(job_id, None)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            write_json(self._file, {**self._held, **self._owed})

    def _left_behind(self) -> dict[str, list[str]]:
        try:
            return dict(json.loads(self._file.read_text()))
        except (OSError, ValueError):
            return {}
