"""Geometry on the sphere, as DuckDB expressions. Coordinates and radii in degrees.

Points and circles are compared by formulae, which the engine works off fastest; all other regions by the functions of
:mod:`~jupyter_uws.tap.udfs`, after what a formula can tell of them. The formulae are good at any distance: haversines
to compare (exact for small radii), Vincenty's form for distances. Longitudes need no range: they enter by sine and
cosine only. Expressions appear more than once in the result, so they must be plain: columns, numbers, arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

# by how much (deg) the declination range of a cone is widened, so that rounding never loses a point on its rim
_MARGIN = "1e-9"

# an STC-S or DALI circle; the coordinates are ICRS, so no other frame is taken
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_CIRCLE = rf"^\s*(?:(?:CIRCLE|Circle|circle)\s+)?(?:ICRS\s+)?{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*$"


@dataclass(frozen=True)
class Point:
    lon: str
    lat: str


@dataclass(frozen=True)
class Circle:
    centre: Point
    radius: str


@dataclass(frozen=True)
class Region:
    """Any region: ``numbers`` is a list of DOUBLE, see :mod:`~jupyter_uws.tap.regions`."""

    numbers: str
    within: Circle | None = None  # a circle that it lies in, where one is known
    text: str | None = None  # the text that it is made of: mostly a circle


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
    """Condition: the points are at most ``radius`` apart; false for a negative radius."""
    half = "sin(radians({}) / 2)"
    haversine = (
        f"(pow({half.format(f'{b.lat} - {a.lat}')}, 2)"
        f" + cos(radians({a.lat})) * cos(radians({b.lat})) * pow({half.format(f'{b.lon} - {a.lon}')}, 2))"
    )
    return (
        f"({radius} >= 0 AND {a.lat} BETWEEN {b.lat} - {radius} - {_MARGIN} AND {b.lat} + {radius} + {_MARGIN}"
        f" AND ({radius} >= 180 OR {haversine} <= pow(sin(radians(least({radius}, 180)) / 2), 2)))"
    )


def contains(inner: Shape, outer: Shape) -> str:
    """Condition: ``inner`` lies within ``outer``, rim included."""
    if isinstance(outer, Circle) and not isinstance(inner, Region):
        if isinstance(inner, Point):
            return within(inner, outer.centre, outer.radius)
        return within(inner.centre, outer.centre, f"({outer.radius} - {inner.radius})")
    exact = f"adql_contains({numbers(outer)}, {numbers(inner)})"
    if isinstance(outer, Region) and outer.text and not isinstance(inner, Region):
        return _if_circle(outer.text, contains(inner, circle_of(outer.text)), exact)
    if isinstance(inner, Region) and inner.text and isinstance(outer, Circle):
        return _if_circle(inner.text, contains(circle_of(inner.text), outer), exact)
    if isinstance(outer, Region) and outer.within and not isinstance(inner, Region):
        return _if_near(inner, outer.within, exact)
    return exact


def intersects(a: Shape, b: Shape) -> str:
    """Condition: the shapes have a point in common."""
    if isinstance(a, Region) and not isinstance(b, Region):
        a, b = b, a
    if not isinstance(b, Region):
        return _circles_meet(a, b)
    exact = f"adql_intersects({numbers(a)}, {numbers(b)})"
    if not isinstance(a, Region):
        if b.text:
            return _if_circle(b.text, intersects(a, circle_of(b.text)), exact)
        return _if_near(a, b.within, exact) if b.within else exact
    for one, other in ((a, b), (b, a)):
        if one.text and other.within:
            return _if_circle(one.text, _if_near(circle_of(one.text), other.within, exact), exact)
    return exact


def numbers(shape: Shape) -> str:
    """The shape as a list of DOUBLE."""
    if isinstance(shape, Region):
        return shape.numbers
    if isinstance(shape, Point):
        return f"[{shape.lon}, {shape.lat}]"
    return f"[{shape.centre.lon}, {shape.centre.lat}, {shape.radius}]"


def text(shape: Shape) -> str:
    """The shape as STC-S."""
    if isinstance(shape, Point):
        return f"('POSITION ICRS ' || {shape.lon} || ' ' || {shape.lat})"
    if isinstance(shape, Circle):
        return f"('CIRCLE ICRS ' || {shape.centre.lon} || ' ' || {shape.centre.lat} || ' ' || {shape.radius})"
    kind = f"CASE len({shape.numbers}) WHEN 2 THEN 'POSITION' WHEN 3 THEN 'CIRCLE' ELSE 'POLYGON' END"
    return f"({kind} || ' ICRS ' || array_to_string({shape.numbers}, ' '))"


def circle_of(text: str) -> Circle:
    """The circle that a text in STC-S is; nulls for any other."""
    lon, lat, radius = (f"TRY_CAST(regexp_extract({text}, '{_CIRCLE}', {n}) AS DOUBLE)" for n in (1, 2, 3))
    return Circle(Point(lon, lat), radius)


def _circles_meet(a: Shape, b: Shape) -> str:
    if isinstance(a, Circle) and isinstance(b, Circle):
        # a circle of negative radius is empty
        return f"(least({a.radius}, {b.radius}) >= 0 AND {within(a.centre, b.centre, f'({a.radius} + {b.radius})')})"
    if isinstance(b, Point):
        a, b = b, a
    return contains(a, b)


def _if_circle(text: str, condition: str, otherwise: str) -> str:
    return f"CASE WHEN regexp_matches({text}, '{_CIRCLE}') THEN {condition} ELSE {otherwise} END"


def _if_near(shape: Point | Circle, bound: Circle, exact: str) -> str:
    """``exact``, asked for shapes only that touch ``bound``."""
    near = intersects(shape, bound)
    return f"CASE WHEN {near} THEN {exact} ELSE {near} END"
