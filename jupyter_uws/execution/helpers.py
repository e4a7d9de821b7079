"""Helpers: more workers for a job that fans out, in slots that no job waits for.

A job asks on its progress pipe for so many, and says what they run (:mod:`.fanout`). A helper is run like
a job, by a supervisor, in a folder of its own, within its job's limits, but it is none of the store: nobody hears
how it ended, it is stopped when a job wants its slot or its own job ends, and a restarted service knows nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .fifo import Fifo
from .folder import JobFolder
from .shape import Need
from .task import last_word, see_through, stop

if TYPE_CHECKING:
    from .submission import Submission

logger = logging.getLogger(__name__)

#: Seconds for the last word on a helper whose worker was lost.
SETTLE_TIMEOUT = 10.0
#: Seconds that the report of a job's end waits for the end of its helpers.
END_TIMEOUT = 15.0
#: Of what a job says: arguments, and characters of all together (a pipe's line is torn above 4096 bytes).
ARGUMENTS, CHARACTERS = 64, 4096

Order = dict[str, Any]


@dataclass(eq=False)
class Helper:
    """A supervised run in a slot."""

    order: Order
    slot: str
    submission: Submission
    #: Set when its worker has left the cluster.
    left: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set when nothing of it lives.
    over: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: bool = False


@dataclass(eq=False)
class Wish:
    """What a running job asked for: so many helpers, and their argv."""

    order: Order
    #: Of a helper: that of the job, but for no time in particular.
    need: Need
    count: int = 0
    argv: list[str] = field(default_factory=list)
    #: How many were begun so far.
    begun: int = 0
    helpers: list[Helper] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return self.count - len(self.helpers)


class Helpers:
    """The helpers of all jobs, in slots of ``fifo``. ``changed`` is called when a slot has become free again."""

    def __init__(
        self, fifo: Fifo[Need], spawn: Callable[[Coroutine[Any, Any, None]], None], changed: Callable[[], None]
    ):
        self._fifo = fifo
        self._spawn = spawn
        self._changed = changed
        self._wishes: dict[str, Wish] = {}

    @property
    def needs(self) -> Counter[Need]:
        """How many more would find work, with each need."""
        counts: Counter[Need] = Counter()
        for wish in self._wishes.values():
            counts[wish.need] += max(0, wish.missing)
        return counts

    @property
    def slots(self) -> dict[str, str]:
        """The slots that help, with the job each helps."""
        return {helper.slot: job_id for job_id, wish in self._wishes.items() for helper in wish.helpers}

    def ask(self, order: Order, need: Need, asked: Any, most: int) -> None:
        """Take in what a running job asked for, at most ``most``; nonsense is passed over."""
        count, argv = wanted(asked)
        wish = self._wishes.setdefault(order["job_id"], Wish(order, replace(need, duration=0)))
        wish.count, wish.argv = min(count, most), argv or wish.argv
        self._stop([helper for helper in wish.helpers[wish.count :] if not helper.stopping])

    def dispatch(self, submission: Submission, choose: Callable[[Need, Iterable[str]], str | None]) -> None:
        """Put helpers into free slots that ``choose`` names; where jobs wait, take as many slots back."""
        if waiting := len(self._fifo):
            self._take_back(waiting)
            return
        hopeless: set[Need] = set()
        while self._fifo.free and (wish := self._poorest(hopeless)):
            if slot := choose(wish.need, self._fifo.free):
                self._fifo.take(slot)
                self._begin(wish, slot, submission)
            else:
                hopeless.add(wish.need)
        poorest = self._poorest()
        if poorest and max(len(wish.helpers) for wish in self._wishes.values()) > len(poorest.helpers) + 1:
            self._take_back(1)

    def _poorest(self, hopeless: Collection[Need] = ()) -> Wish | None:
        """Of the jobs that want more helpers, the one with the fewest."""
        wanting = (wish for wish in self._wishes.values() if wish.missing > 0 and wish.need not in hopeless)
        return min(wanting, key=lambda wish: len(wish.helpers), default=None)

    def _take_back(self, number: int) -> None:
        """See to it that so many slots become free, the richest jobs' first."""
        stopping = sum(helper.stopping for wish in self._wishes.values() for helper in wish.helpers)
        left = {wish: [helper for helper in wish.helpers if not helper.stopping] for wish in self._wishes.values()}
        taken: list[Helper] = []
        while stopping + len(taken) < number and (richest := max(left.values(), key=len, default=[])):
            taken.append(richest.pop())
        self._stop(taken)

    def left(self, slot: str) -> None:
        """A worker has gone."""
        for wish in self._wishes.values():
            for helper in wish.helpers:
                if helper.slot == slot:
                    helper.left.set()

    async def end(self, job_id: str) -> None:
        """Stop the helpers of a job, for it ends; over when nothing of them lives. Bounded."""
        wish = self._wishes.get(job_id)
        if wish is None:
            return
        wish.count = 0
        helpers = list(wish.helpers)
        self._stop([helper for helper in helpers if not (helper.stopping or helper.left.is_set())])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_TIMEOUT):
                await asyncio.gather(*(helper.over.wait() for helper in helpers))
        self._wishes.pop(job_id, None)

    def has(self, job_id: str) -> bool:
        """Whether the job has asked for helpers."""
        return job_id in self._wishes

    def _stop(self, helpers: list[Helper]) -> None:
        for helper in helpers:
            helper.stopping = True
            self._spawn(stop(helper.submission, helper.order, helper.slot))

    def _begin(self, wish: Wish, slot: str, submission: Submission) -> None:
        wish.begun += 1
        order = {
            **wish.order,
            "folder": f"{wish.order['folder']}/helpers/{wish.begun}",
            "job_id": f"{wish.order['job_id']}.h{wish.begun}",
            "argv": wish.argv,
            "env": {**wish.order["env"], "UWS_WORKERS": "1"},
            "execution_duration": 0,  # its job's end is its own
        }
        helper = Helper(order, slot, submission)
        wish.helpers.append(helper)
        self._spawn(self._help(wish, helper))

    async def _help(self, wish: Wish, helper: Helper) -> None:
        folder, run = JobFolder(helper.order["folder"]), helper.order["run"]
        try:
            await asyncio.to_thread(folder.prepare, helper.order)
            # also where it is to be stopped already: the worker has been told, and waits for it
            reason = await see_through(helper.submission, helper.order, helper.slot, helper.left)
            word = await last_word(folder, run, reason, SETTLE_TIMEOUT)
            if word["event"] in ("completed", "failed"):  # by itself: another one would do the same
                wish.count = max(0, wish.count - 1)
        except OSError as error:
            logger.warning("job %s gets no helper: %s", wish.order["job_id"], error)
            wish.count = 0
        finally:
            wish.helpers.remove(helper)
            helper.over.set()
            self._fifo.release(helper.slot)
            self._changed()


def wanted(asked: Any) -> tuple[int, list[str]]:
    """Number and argv of the helpers that a job's words ask for; none where the words make no sense."""
    count, argv = (asked.get("count"), asked.get("argv", [])) if isinstance(asked, dict) else (0, [])
    sound = (
        isinstance(argv, (list, tuple))  # on its way through Dask the one becomes the other
        and len(argv) <= ARGUMENTS
        and all(isinstance(argument, str) for argument in argv)
        and sum(map(len, argv)) <= CHARACTERS
    )
    if type(count) is not int or count < 0 or not sound or (count and not argv):
        logger.warning("a job asks for helpers with words that make no sense: %.200r", asked)
        return 0, []
    return count, list(argv)
