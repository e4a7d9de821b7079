"""What the C library's allocator does with memory that is free again."""

from __future__ import annotations

import ctypes

#: Of ``mallopt(3)``, in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

_KEPT = 16 * 2**20  # bytes
_OF_ITS_OWN = 8 * 2**20  # bytes


def keep_freed_memory() -> None:
    """Let glibc keep some MB of freed memory instead of giving it back at once. Without effect on other C libraries.

    A large result goes through buffers of a few MB, each of which would else be taken from the system and given back,
    page by page: that takes as long as to encode the rows.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _OF_ITS_OWN)
