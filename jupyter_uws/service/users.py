"""Who has which token, as somebody else says who is asked for it: with its answers kept for a while."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.web import HTTPError

#: How many answers are kept.
CACHE_SIZE = 10_000
User = dict[str, Any]


class Users:
    """Users by their tokens, as ``whom`` knows them; its answers are kept for ``keep`` seconds, ``size`` of them."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[User | None]],
        keep: float,
        whom: str,
        size: int = CACHE_SIZE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._keep, self._whom, self._size, self._clock = ask, keep, whom, size, clock
        self._known: OrderedDict[bytes, tuple[float, asyncio.Future[User | None]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    async def find(self, token: str) -> User | None:
        """The user whose token this is; None for nobody's. All who ask meanwhile share one question."""
        key = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        now = self._clock()
        since, asking = self._known.get(key, (0.0, None))
        if asking is None or now - since >= self._keep:
            asking = asyncio.ensure_future(self._ask(token))
            self._known[key] = (now, asking)
            self._known.move_to_end(key)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        try:
            return await asyncio.shield(asking)
        except HTTPError:
            self._known.pop(key, None)  # no answer: nothing is known
            raise HTTPError(503, f"{self._whom} cannot be asked who calls; try again in a moment") from None
