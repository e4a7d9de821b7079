"""Geometry on the sphere, as DuckDB expressions. Coordinates and radii in degrees.

Formulae good at any distance: haversines to compare (exact for small radii), Vincenty's form for distances.
Longitudes need no range: they enter by sine and cosine only. Expressions appear more than once in the
result, so they must be plain: columns, numbers, arithmetic.
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


Shape = Point | Circle


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


def contains(inner: Shape, outer: Circle) -> str:
    """Condition: ``inner`` lies within ``outer``, rim included."""
    if isinstance(inner, Point):
        return within(inner, outer.centre, outer.radius)
    return within(inner.centre, outer.centre, f"({outer.radius} - {inner.radius})")


def intersects(a: Shape, b: Circle) -> str:
    """Condition: the shapes have a point in common."""
    if isinstance(a, Point):
        return within(a, b.centre, b.radius)
    return within(a.centre, b.centre, f"({a.radius} + {b.radius})")


def circle_of_region(column: str, name: str) -> Circle:
    """The circle that a text column of STC-S regions holds. A region of another shape is an error of the query."""
    message = "'" + f"{name}: only circles (CIRCLE ICRS ra dec radius) can be compared, not ".replace("'", "''") + "'"
    pattern = "'" + _CIRCLE + "'"

    def part(number: int) -> str:
        return (
            f"CASE WHEN {column} IS NULL THEN NULL"
            f" WHEN regexp_matches({column}, {pattern})"
            f" THEN CAST(regexp_extract({column}, {pattern}, {number}) AS DOUBLE)"
            f" ELSE error({message} || left({column}, 100)) END"
        )

    return Circle(Point(part(1), part(2)), part(3))
