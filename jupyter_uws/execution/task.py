"""One run as one Dask task on one worker: seen through, stopped, and its last word found.

Dask is imported inside the functions: a service without jobs never loads it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from .aftermath import aftermath, bury
from .folder import Event, JobFolder
from .supervisor import LOST_WORKER

if TYPE_CHECKING:
    from .submission import Submission

logger = logging.getLogger(__name__)

#: Seconds within which a worker must take an order.
ORDER_TIMEOUT = 10.0


async def see_through(submission: Submission, order: dict[str, Any], slot: str, left: asyncio.Event) -> str:
    """Run an order on a worker, as one Dask task that is never run again, until it is over or the worker has ``left``.

    Returns the reason to give where the run has no last word.
    """
    from distributed.comm.addressing import get_address_host

    # where it may listen so that other workers reach it
    order = {**order, "env": {**order["env"], "UWS_HOST": get_address_host(slot)}}
    future = submission.submit(order, slot)
    # Dask leaves the task of a worker that was closed in order pending for ever, hence the second look-out.
    over = asyncio.ensure_future(future.exception())  # type: ignore[no-untyped-call]
    gone = asyncio.ensure_future(left.wait())
    try:
        await asyncio.wait([over, gone], return_when=asyncio.FIRST_COMPLETED)
        if over.done() and not over.cancelled() and over.exception() is None and over.result() is not None:
            error = over.result()
            if type(error).__name__ != "KilledWorker":
                return f"its Dask worker could not run it: {error!r}"
        return LOST_WORKER
    finally:
        over.cancel()
        gone.cancel()
        submission.over(future)


async def last_word(folder: JobFolder, run: int, reason: str, timeout: float) -> Event:
    """The last word on a run that nobody reports any more; waits for it no longer than need be, or ``timeout`` s."""
    deadline = asyncio.get_running_loop().time() + timeout
    pause = 0.01
    while not (word := await asyncio.to_thread(aftermath, folder, run, reason)):
        if asyncio.get_running_loop().time() > deadline:
            return await asyncio.to_thread(bury, folder, run, reason)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
    return word


async def stop(submission: Submission, order: dict[str, Any], slot: str, reason: str | None = None) -> None:
    """Have the worker end a run; its last word comes as an event, or the worker is lost. Bounded, never raises."""
    from .runner import stop_job

    try:
        done = submission.client.run(stop_job, order["job_id"], order["run"], reason, workers=[slot])
        await asyncio.wait_for(done, ORDER_TIMEOUT)
    except Exception as error:
        logger.warning("job %s cannot be stopped on %s: %r", order["job_id"], slot, error)
