"""What a condition of geometry that must hold tells of the cells (see :mod:`.places`) its rows can lie in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from . import places
from .sphere import Circle, Place, Point, Shape, bound_of, number

_ALIAS = re.compile(r"\b(t[0-9]+)\.")


@dataclass(frozen=True)
class Disc:
    """A circle on the sky (deg), with its rim or, where it ``is_open``, without."""

    lon: float
    lat: float
    radius: float
    is_open: bool = False


@dataclass(frozen=True)
class Near:
    """Only rows of ``alias`` for which the condition ``sql`` holds.

    Where it follows from a condition that says that the row's own position lies in a ``disc``, and no more.
    """

    alias: str
    sql: str
    disc: Disc | None = None


@dataclass(frozen=True)
class Spread:
    """Each row of ``alias`` is to be joined with those rows only whose ``cell`` is one of its ``cells``.

    A row of the other table has one cell, so that no pair is found twice.
    """

    alias: str
    cells: str
    cell: str


def narrowed(first: Shape, second: Shape, *, is_open: bool = False) -> Iterator[Near | Spread]:
    """What holds wherever the two shapes have a point in common: one thing at most.

    ``is_open`` tells of a point and a circle that one on its rim does not count.
    """
    for one, other in ((first, second), (second, first)):
        place, bound = _place_of(one), bound_of(other)
        if place is None or bound is None:
            continue
        centre, radius = (bound, 0.0) if isinstance(bound, Point) else (bound.centre, number(bound.radius))
        if radius is None or radius < 0:
            continue
        radius += place.reach
        lon, lat = number(centre.lon), number(centre.lat)
        cell = f"{place.alias}.{places.CELL}"
        if lon is not None and lat is not None:
            if radius <= places.WIDEST and abs(lat) <= 90:
                is_cone = isinstance(one, Point) and isinstance(other, Circle)
                disc = Disc(lon, lat, radius, is_open) if is_cone else None
                yield Near(place.alias, places.in_ranges(cell, lon, lat, radius), disc)
            return
        aliases = set(_ALIAS.findall(f"{centre.lon} {centre.lat}"))
        if len(aliases) == 1 and place.alias not in aliases and radius <= places.WIDEST:
            yield Spread(aliases.pop(), f"adql_cells({centre.lon}, {centre.lat}, {radius!r}::DOUBLE)", cell)
            return


def _place_of(shape: Shape) -> Place | None:
    """From where a row's cell is, how far ``shape`` can reach."""
    if not isinstance(shape, Circle):
        return shape.place
    radius = number(shape.radius)
    if shape.centre.place is None or radius is None:
        return None
    return Place(shape.centre.place.alias, max(radius, 0.0))
