"""Time coverage as the IVOA writes it: MOC 2.0, time only, in ASCII.

A cell of order 61 is one microsecond; one of order n is 2**(61 - n) of them. Times are counted from JD 0, in TCB at the
barycentre of the solar system (section 4.2).
"""

from __future__ import annotations

from collections.abc import Iterable

#: The finest cells: 1.05 s.
ORDER = 41
_SHIFT = 61 - ORDER
_DAY = 86_400_000_000  # microseconds


def time_moc(intervals: Iterable[tuple[tuple[float, float], tuple[float, float]]]) -> str:
    """The cells that the intervals touch, as few as cover them, such as ``t38/7 40/24 41/60-61``.

    The order of the finest cells is told even where there are none of them: ``t38/7 41/`` (section 4.3.2). Each
    interval is two Julian dates, each as two numbers that add up to it (as ``jd1``, ``jd2`` of astropy's Time).
    """
    ranges = sorted((_cell(start), _cell(stop) + 1) for start, stop in intervals)
    merged: list[list[int]] = []
    for first, end in ranges:
        if merged and first <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([first, end])
    cells: dict[int, list[int]] = {}
    for first, end in merged:
        while first < end:
            # the largest cell that begins here and does not go beyond the end
            size = min((first & -first).bit_length() - 1 if first else ORDER, (end - first).bit_length() - 1)
            cells.setdefault(ORDER - size, []).append(first >> size)
            first += 1 << size
    words = [f"{order}/{_listed(sorted(found))}" for order, found in sorted(cells.items())]
    if words and ORDER not in cells:
        words.append(f"{ORDER}/")
    return f"t{' '.join(words)}" if words else ""


def _cell(date: tuple[float, float]) -> int:
    return sum(round(part * _DAY) for part in date) >> _SHIFT


def _listed(cells: list[int]) -> str:
    groups: list[list[int]] = []
    for cell in cells:
        if groups and cell == groups[-1][-1] + 1:
            groups[-1].append(cell)
        else:
            groups.append([cell])
    return " ".join(str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}" for group in groups)
