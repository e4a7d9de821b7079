"""Handing orders to Dask, each as one task, in as few messages and with as little waiting as can be.

Dask's client keeps back for 10 ms what it has to send soon after something else, and letting go of a result is a
message too, to the scheduler and to a worker. A service that starts a job when another has ended meets both with
each job. Hence several clients in turn, and results that are let go of together, once in a while.
"""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client, Future, Scheduler

CLIENTS = 8
#: Seconds for which the results of tasks that have ended, all of them None, are kept.
KEPT = 1.0
#: Seconds within which a client has sent all that it kept back.
SENT = 0.05
TRIES = 5


class Submission:
    """The clients of a cluster whose scheduler is in this process and event loop; see :func:`connect`."""

    def __init__(self, clients: list[Client]) -> None:
        self.client: Any = clients[0]  # whose methods have no types, or wrong ones where all is asynchronous
        self._clients = clients
        self._turn = cycle(clients)
        self._over: list[Future[Any]] = []

    def submit(self, order: dict[str, Any], slot: str) -> Future[Any]:
        """Run an order on a worker: one task, which is never run again, nor on another worker."""
        from .runner import run_job

        return next(self._turn).submit(
            run_job,
            order,
            key=f"uws-{order['job_id']}-{order['run']}",
            workers=[slot],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )

    def over(self, future: Future[Any]) -> None:
        """A task has ended, or its worker has left: let go of it, soon."""
        if not self._over:
            asyncio.get_running_loop().call_later(KEPT, self._forget)
        self._over.append(future)

    def _forget(self) -> None:
        from .forgetting import forget_names

        self._over.clear()
        forget_names()

    async def retire(self, slot: str) -> None:
        """Close a worker whose last job has ended, where that is possible. Raises what Dask raises."""
        for _ in range(TRIES):
            # Dask closes no worker that has what somebody wants; its task ends a little later than the job
            await asyncio.sleep(SENT)
            self._over.clear()
            await asyncio.sleep(SENT)
            if await self.client.retire_workers([slot], close_workers=True):
                return

    async def close(self) -> None:
        """Close the clients."""
        self._over.clear()
        await asyncio.gather(*(client.close() for client in self._clients))  # type: ignore[no-untyped-call]


async def connect(scheduler: Scheduler) -> Submission:
    """Clients of a scheduler in this process, which they reach without a socket."""
    from distributed import Client

    await scheduler.listen("inproc://")  # type: ignore[no-untyped-call]
    address = scheduler.listeners[-1].contact_address
    clients = [Client(address, asynchronous=True, set_as_default=False) for _ in range(CLIENTS)]  # type: ignore[no-untyped-call]
    return Submission(list(await asyncio.gather(*clients)))
