"""A few requests at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: Requests that are under way at the same time: a service is shared with others.
AT_ONCE = 4


def in_parallel(action: Callable[[Item], Answer], items: Iterable[Item], at_once: int = AT_ONCE) -> list[Answer]:
    """``action`` of each item, in their order; the first error ends it, and what was not begun is not."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(action, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
