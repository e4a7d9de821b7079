"""Geometry on the sphere, as DuckDB expressions. Coordinates and radii in degrees.

Points and circles are compared by formulae, which the engine works off fastest; all other regions by the functions of
:mod:`~jupyter_uws.tap.udfs`, after what a formula can tell of them. The formulae are good at any distance: haversines
to compare (exact for small radii), Vincenty's form for distances. Longitudes need no range: they enter by sine and
cosine only. Expressions appear more than once in the result, so they must be plain: columns, numbers, arithmetic.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

# by how much (deg) the declination range of a cone is widened, so that rounding never loses a point on its rim
_MARGIN = 1e-9

# an STC-S or DALI circle; the coordinates are ICRS, so no other frame is taken
_DIGITS = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_GROUPS = r"\s+".join(f"(?P<{name}>{_DIGITS})" for name in ("lon", "lat", "radius"))
CIRCLE = rf"^\s*(?:(?:CIRCLE|Circle|circle)\s+)?(?:ICRS\s+)?{_GROUPS}\s*$"

_NUMBER = re.compile(r"CAST\((\(?-)?([0-9.]+(?:e[+-]?[0-9]+)?)\)? AS DOUBLE\)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """The row of the table ``alias``, whose cell is known, that a shape belongs to; it lies within ``reach`` (deg)."""

    alias: str
    reach: float = 0.0


@dataclass(frozen=True)
class Point:
    lon: str
    lat: str
    place: Place | None = None


@dataclass(frozen=True)
class Circle:
    centre: Point
    radius: str


@dataclass(frozen=True)
class Region:
    """Any region: ``numbers`` is a list of DOUBLE, see :mod:`~jupyter_uws.tap.regions`."""

    numbers: str
    within: Circle | None = None  # a circle that it lies in, where one is known
    circle: Circle | None = None  # what it is where the condition ``is_circle`` holds: mostly
    is_circle: str | None = None
    place: Place | None = None


Shape = Point | Circle | Region


def distance(a: Point, b: Point) -> str:
    """Angular distance, 0 to 180 deg."""
    dlon = f"radians({b.lon} - {a.lon})"
    sin_a, cos_a = f"sin(radians({a.lat}))", f"cos(radians({a.lat}))"
    sin_b, cos_b = f"sin(radians({b.lat}))", f"cos(radians({b.lat}))"
    across = f"{cos_b} * sin({dlon})"
    along = f"({cos_a} * {sin_b} - {sin_a} * {cos_b} * cos({dlon}))"
    return (
        f"degrees(atan2(sqrt(pow({across}, 2) + pow({along}, 2)), {sin_a} * {sin_b} + {cos_a} * {cos_b} * cos({dlon})))"
    )


def within(a: Point, b: Point, radius: str) -> str:
    """Condition: the points are at most ``radius`` apart; false for a negative radius.

    What is known is calculated here: the engine takes longer to plan a long formula than to find a few rows.
    """
    if number(a.lat) is not None:
        a, b = b, a
    lat, most = number(b.lat), number(radius)
    haversine = (
        f"pow(sin(radians({a.lat} - {b.lat}) / 2), 2)"
        f" + cos(radians({a.lat})) * {_cosine(b.lat)} * pow(sin(radians({a.lon} - {b.lon}) / 2), 2)"
    )
    if most is None:
        near = f"({radius} >= 180 OR {haversine} <= pow(sin(radians(least({radius}, 180)) / 2), 2))"
    elif most < 180:
        near = f"{haversine} <= {_written(math.sin(math.radians(most) / 2) ** 2)}"
    else:
        near = "TRUE"
    if most is None or lat is None:
        band = f"{a.lat} BETWEEN {b.lat} - {radius} - {_MARGIN} AND {b.lat} + {radius} + {_MARGIN}"
    else:
        band = f"{a.lat} BETWEEN {_written(lat - most - _MARGIN)} AND {_written(lat + most + _MARGIN)}"
    positive = f"{radius} >= 0 AND " if most is None else "" if most >= 0 else "FALSE AND "
    return f"({positive}{band} AND {near})"


def _cosine(lat: str) -> str:
    known = number(lat)
    return f"cos(radians({lat}))" if known is None else _written(math.cos(math.radians(known)))


def _written(value: float) -> str:
    text = repr(value)
    return f"({text if 'e' in text else text + 'e0'})"


def contains(inner: Shape, outer: Shape) -> str:
    """Condition: ``inner`` lies within ``outer``, rim included."""
    for shape in (outer, inner):
        if isinstance(shape, Region) and shape.circle:
            pair = (inner, shape.circle) if shape is outer else (shape.circle, outer)
            rest = (inner, _polygon(shape)) if shape is outer else (_polygon(shape), outer)
            return _by_kind(shape, contains(*pair), contains(*rest))
    if isinstance(outer, Region) or isinstance(inner, Region):
        return _if_near(inner, outer, f"adql_contains({numbers(outer)}, {numbers(inner)})")
    if isinstance(outer, Point):
        return "FALSE"
    if isinstance(inner, Point):
        return within(inner, outer.centre, outer.radius)
    # a circle of negative radius is empty
    inside = within(inner.centre, outer.centre, f"({outer.radius} - {inner.radius})")
    return f"({inner.radius} >= 0 AND {inside})"


def intersects(a: Shape, b: Shape) -> str:
    """Condition: the shapes have a point in common."""
    for shape, other in ((a, b), (b, a)):
        if isinstance(shape, Region) and shape.circle:
            return _by_kind(shape, intersects(shape.circle, other), intersects(_polygon(shape), other))
    if isinstance(a, Region) or isinstance(b, Region):
        return _if_near(a, b, f"adql_intersects({numbers(a)}, {numbers(b)})")
    return _circles_meet(a, b)


def numbers(shape: Shape) -> str:
    """The shape as a list of DOUBLE."""
    if isinstance(shape, Region):
        return shape.numbers
    if isinstance(shape, Point):
        return f"[{shape.lon}, {shape.lat}]"
    return f"[{shape.centre.lon}, {shape.centre.lat}, {shape.radius}]"


def array(shape: Shape) -> str:
    """The shape as a value of DALI's xtypes: its numbers, or null where one of them is."""
    found = numbers(shape)
    return f"CASE WHEN list_count({found}) = len({found}) THEN {found} END"


def text(shape: Shape) -> str:
    """The shape as STC-S."""
    found = array(shape)
    kind = f"CASE len({found}) WHEN 2 THEN 'POSITION' WHEN 3 THEN 'CIRCLE' ELSE 'POLYGON' END"
    return f"({kind} || ' ICRS ' || array_to_string({found}, ' '))"


def region_of_text(text: str) -> Region:
    """The region that a text in STC-S is."""
    lon, lat, radius = (f"TRY_CAST(regexp_extract({text}, '{CIRCLE}', {n}) AS DOUBLE)" for n in (1, 2, 3))
    circle = Circle(Point(lon, lat), radius)
    return Region(f"adql_region({text})", circle=circle, is_circle=f"regexp_matches({text}, '{CIRCLE}')")


def bound_of(shape: Shape) -> Point | Circle | None:
    """A circle that the shape lies in, where one is known; a point for a point."""
    return shape.within if isinstance(shape, Region) else shape


def number(sql: str) -> float | None:
    """The value of a coordinate that is a plain number."""
    found = _NUMBER.match(sql)
    if found is None:
        return None
    value = float(found[2])
    return -value if found[1] else value


def _circles_meet(a: Shape, b: Shape) -> str:
    if isinstance(a, Circle) and isinstance(b, Circle):
        # a circle of negative radius is empty
        return f"(least({a.radius}, {b.radius}) >= 0 AND {within(a.centre, b.centre, f'({a.radius} + {b.radius})')})"
    if isinstance(a, Circle) and isinstance(b, Point):
        a, b = b, a
    return contains(a, b)


def _polygon(region: Region) -> Region:
    return replace(region, circle=None, is_circle=None)


def _by_kind(region: Region, circle: str, polygon: str) -> str:
    """Conditions for a region that is a circle, and for one that is not; null where there is no region."""
    return f"CASE {region.is_circle} WHEN TRUE THEN {circle} WHEN FALSE THEN {polygon} END"


def _if_near(a: Shape, b: Shape, exact: str) -> str:
    """``exact``, asked only where the circles around the shapes meet."""
    first, second = bound_of(a), bound_of(b)
    if first is None or second is None:
        return exact
    near = _circles_meet(first, second)
    return f"CASE WHEN {near} THEN {exact} ELSE {near} END"
