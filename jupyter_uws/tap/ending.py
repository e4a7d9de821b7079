"""Work that is done to its end, whatever becomes of the task that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for ``work``, however often the caller is cancelled meanwhile: it is told so when the work is over.

    To tidy up is such work: a client that leaves may be noticed first where its rows are written, and once more, by a
    cancellation, in the midst of what that leads to.
    """
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
    task.result()
    if cancellation is not None:
        raise cancellation
