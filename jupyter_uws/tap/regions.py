"""Regions on the sphere, many at a time: the geometry that SQL has no formula for.

A region is a row of numbers in degrees, as DALI writes it: ``lon, lat`` (a point), ``lon, lat, radius`` (a circle),
or the vertices of a polygon. Its rim belongs to it. A polygon's sides are great circles and it is the part of the
sphere that they enclose within the half sphere its vertices lie in: how they wind does not matter.

Arrays have one row per region. Vectors are unit vectors, angles are in radians.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]

MAX_VERTICES = 1000

# what lies closer than this to a rim (rad, 0.2 microarcsec) lies on it: more than the rounding of coordinates
_ON_RIM = 1e-12
# below this area (sr) the exact formula of the centre of mass loses more digits than the flat one
_SMALL = 4e-7
# rows times sides that are worked on at a time: bounds the memory
_BLOCK = 100_000
# rows times sides that are worked on in one call, which nothing interrupts: about 20 s
_MOST = 20_000_000
# steps to the middle of a polygon whose vertices are spread over nearly half of the sphere
_STEPS = 500


@dataclass(frozen=True)
class Regions:
    """``n`` regions. A point is a circle without radius."""

    valid: Bools  # (n,) false where a coordinate is missing
    is_polygon: Bools  # (n,)
    centre: Floats  # (n, 3) of a circle, or of the half sphere that a polygon lies in
    radius: Floats  # (n,) of a circle; negative: empty
    vertices: Floats  # (n, k, 3) of a polygon, the last one repeated

    def __getitem__(self, rows: Bools | slice) -> Regions:
        return Regions(
            self.valid[rows], self.is_polygon[rows], self.centre[rows], self.radius[rows], self.vertices[rows]
        )

    def __len__(self) -> int:
        return len(self.radius)


def regions(numbers: Floats, sizes: npt.NDArray[np.int64]) -> Regions:
    """Regions from their numbers, one after the other, ``sizes`` of each. NaN stands for a missing number.

    Raises ValueError for a number of numbers that no region has, or a polygon larger than half of the sphere.
    """
    bad = (sizes < 2) | (sizes == 4) | (sizes == 5) | ((sizes > 3) & (sizes % 2 == 1))
    if bad.any():
        raise ValueError(f"a region has 2, 3, or an even number of 6 and more numbers, not {sizes[bad][0]}")
    if sizes.max(initial=0) > 2 * MAX_VERTICES:
        raise ValueError(f"a polygon has {sizes.max() // 2} vertices, and may have {MAX_VERTICES}")
    starts = np.cumsum(sizes) - sizes
    is_polygon = sizes > 3
    corners = np.where(is_polygon, sizes // 2, 1)
    # the last vertex is repeated, so that every row has as many
    which = np.minimum(np.arange(corners.max(initial=1)), corners[:, None] - 1)
    at = starts[:, None] + 2 * which
    if not len(sizes):
        at = np.zeros((0, 1), dtype=np.int64)
    vertices = vectors(numbers[at], numbers[at + 1])
    has_radius = sizes == 3
    radius = np.zeros(len(sizes))
    radius[has_radius] = np.radians(numbers[starts[has_radius] + 2])
    valid = np.isfinite(vertices).all(axis=(1, 2)) & np.isfinite(radius)
    vertices[~valid], radius[~valid] = (1.0, 0.0, 0.0), 0.0
    centre = vertices[:, 0].copy()
    rows = is_polygon & valid
    centre[rows] = _middles(vertices[rows])
    return Regions(valid, is_polygon, centre, radius, vertices)


def vectors(lon: Floats, lat: Floats) -> Floats:
    """Unit vectors (…, 3) of positions in degrees."""
    lon, lat = np.radians(lon), np.radians(lat)
    with np.errstate(invalid="ignore"):
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def positions(points: Floats) -> tuple[Floats, Floats]:
    """Longitude (0 to 360) and latitude in degrees of vectors (…, 3)."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def box(lon: float, lat: float, width: float, height: float) -> Floats:
    """The vertices (4, 3) of a box: great circles across the ends of a cross of ``width`` and ``height``.

    Raises ValueError where an arm would reach a quarter of the way around the sphere.
    """
    if not (0 <= width < 180 and 0 <= height < 180):
        raise ValueError(f"a box of {width:g} by {height:g} deg is not possible: each must be from 0 to below 180")
    across = np.radians(np.array([-1, 1, 1, -1]) * width / 2)
    up = np.arctan(np.tan(np.radians(np.array([-1, -1, 1, 1]) * height / 2)) * np.cos(across))
    x, y, z = np.cos(up) * np.cos(across), np.cos(up) * np.sin(across), np.sin(up)
    centre, east = vectors(np.array([lon, lon + 90.0]), np.array([lat, 0.0]))
    north = np.cross(centre, east)
    return np.asarray(x[:, None] * centre + y[:, None] * east + z[:, None] * north)


def contains(outer: Regions, inner: Regions) -> Bools:
    """Whether each of ``outer`` has the whole of ``inner`` in it. Raises ValueError where that is too much work."""
    return _pairwise(outer, inner, _circle_in_circle, _polygon_in_circle, _circle_in_polygon, _polygon_in_polygon)


def intersects(a: Regions, b: Regions) -> Bools:
    """Whether the regions have a point in common. Raises ValueError where that is too much work."""

    def swapped(polygon: Regions, circle: Regions) -> Bools:
        return _circle_meets_polygon(circle, polygon)

    return _pairwise(a, b, _circles_meet, _circle_meets_polygon, swapped, _polygons_meet)


def areas(shapes: Regions) -> Floats:
    """The areas (n,) in steradian."""
    found = 4 * np.pi * np.sin(np.clip(shapes.radius, 0, np.pi) / 2) ** 2
    rows = shapes.is_polygon
    found[rows] = np.abs(_excesses(shapes[rows]).sum(axis=1))
    return found


def centroids(shapes: Regions) -> Floats:
    """The centres of mass (n, 3), on the sphere. A polygon without area has that of its vertices."""
    found = shapes.centre.copy()
    rows = np.flatnonzero(shapes.is_polygon)
    if not len(rows):
        return found
    polygons = shapes[shapes.is_polygon]
    excess, (a, b) = _excesses(polygons), _sides(polygons.vertices)
    area = excess.sum(axis=1)
    # of flat triangles, weighted by their areas; exact in the limit of small ones
    weight = (excess[..., None] * _unit(polygons.centre[:, None] + a + b)).sum(axis=1)
    normal = np.cross(a, b - a)
    exact = (normal * _ratio(separation(a, b), np.linalg.norm(normal, axis=-1))[..., None]).sum(axis=1)
    found_here = np.where((np.abs(area) < _SMALL)[:, None], weight, exact) * np.sign(area)[:, None]
    flat = np.abs(area) < 1e-24
    found_here[flat] = polygons.vertices[flat].sum(axis=1)
    found[rows] = _unit(found_here)
    return found


def separation(a: Floats, b: Floats) -> Floats:
    """Angles between vectors (…, 3), good at any distance."""
    return np.asarray(2 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)))


# pairs of regions


def _pairwise(a: Regions, b: Regions, *tests: Callable[[Regions, Regions], Bools]) -> Bools:
    """``tests``: of circle and circle, circle and polygon, polygon and circle, polygon and polygon."""
    found = np.zeros(len(a), dtype=np.bool_)
    sides = a.vertices.shape[1] * b.vertices.shape[1]
    if len(a) * sides > _MOST:
        raise ValueError(
            f"polygons of {a.vertices.shape[1]} and {b.vertices.shape[1]} vertices are too much to compare:"
            " simpler ones are needed"
        )
    for block in _blocks(len(a), sides):
        first, second = a[block], b[block]
        for number, test in enumerate(tests):
            rows = (first.is_polygon == (number >= 2)) & (second.is_polygon == (number % 2 == 1))
            if rows.any():
                found[block][rows] = test(first[rows], second[rows])
    return found


def _blocks(rows: int, sides: int) -> Iterator[slice]:
    step = max(1, _BLOCK // sides)
    for start in range(0, rows, step):
        yield slice(start, start + step)


def _circle_in_circle(outer: Regions, inner: Regions) -> Bools:
    whole = outer.radius >= np.pi
    inside = separation(outer.centre, inner.centre) <= outer.radius - inner.radius
    return np.asarray((whole | inside) & (inner.radius >= 0) & (outer.radius >= 0))


def _circles_meet(a: Regions, b: Regions) -> Bools:
    near = separation(a.centre, b.centre) <= a.radius + b.radius
    return np.asarray(near & (a.radius >= 0) & (b.radius >= 0))


def _polygon_in_circle(circle: Regions, polygon: Regions) -> Bools:
    # a circle up to a half sphere is convex: its polygons are those whose vertices it has. Of a larger one, look
    # at the rest of the sphere, which is a circle as well
    vertices = separation(circle.centre[:, None], polygon.vertices).max(axis=1) <= circle.radius
    opposite = -circle.centre
    rest = (_rim_distance(polygon, opposite) >= np.pi - circle.radius) & ~_has_points(polygon, opposite[:, None])[:, 0]
    return np.where(circle.radius < np.pi / 2, vertices, rest | (circle.radius >= np.pi))


def _circle_in_polygon(polygon: Regions, circle: Regions) -> Bools:
    inside = _has_points(polygon, circle.centre[:, None])[:, 0]
    if (circle.radius == 0).all():
        return inside
    room = (circle.radius == 0) | (_rim_distance(polygon, circle.centre) >= circle.radius)
    return np.asarray(inside & room & (circle.radius >= 0))


def _circle_meets_polygon(circle: Regions, polygon: Regions) -> Bools:
    inside = _has_points(polygon, circle.centre[:, None])[:, 0]
    if (circle.radius == 0).all():
        return inside
    near = _rim_distance(polygon, circle.centre) <= circle.radius
    return np.asarray((inside | near) & (circle.radius >= 0))


def _polygon_in_polygon(outer: Regions, inner: Regions) -> Bools:
    a, b = _sides(inner.vertices)
    inside = _has_points(outer, inner.vertices).all(axis=1) & _has_points(outer, _unit(a + b)).all(axis=1)
    notched = _has_points(inner, outer.vertices, rim=False).any(axis=1)
    return np.asarray(inside & ~notched & ~_sides_cross(outer, inner))


def _polygons_meet(a: Regions, b: Regions) -> Bools:
    return np.asarray(
        _has_points(a, b.vertices).any(axis=1) | _has_points(b, a.vertices).any(axis=1) | _sides_cross(a, b)
    )


# sides of polygons


def _sides(vertices: Floats) -> tuple[Floats, Floats]:
    return vertices, np.roll(vertices, -1, axis=1)


def _has_points(polygon: Regions, points: Floats, rim: bool = True) -> Bools:
    """Whether polygons (n) have points (n, m, 3) in them: by the sides that a ray from each point crosses.

    Seen from the middle of the half sphere (gnomonic projection), great circles are straight lines.
    """
    centre = polygon.centre[:, None]
    up = _unit(np.cross(centre, np.where(np.abs(centre[..., 2:]) < 0.7, [0.0, 0.0, 1.0], [1.0, 0.0, 0.0])))
    ahead = _dot(points, centre)
    in_front = ahead > 0
    height = _dot(polygon.vertices, up) / np.maximum(_dot(polygon.vertices, centre), 1e-300)
    level = _dot(points, up) / np.where(in_front, ahead, 1.0)
    a, b = (side[:, None] for side in _sides(polygon.vertices))  # (n, 1, k, 3)
    p = points[:, :, None]
    turn = _dot(np.cross(a - p, b - p), p)  # > 0: the point lies to the left of the side
    below, after = (height <= level[..., None] for height in (height[:, None], np.roll(height, -1, axis=1)[:, None]))
    crossed = (below != after) & ((turn > 0) == below)
    inside = (crossed.sum(axis=-1) % 2 == 1) & in_front
    # only where the point is near a side's great circle does it take a closer look
    has_length = (a != b).any(axis=-1)
    near = ((np.abs(turn) <= 10 * _ON_RIM) & has_length).any(axis=-1) | ~has_length.any(axis=-1)
    on_rim = np.zeros(near.shape, dtype=np.bool_)
    row, column = np.nonzero(near)
    distances = _distances(a[row, 0], b[row, 0], points[row, column][:, None])
    on_rim[row, column] = distances.min(axis=-1) <= _ON_RIM
    return np.asarray(inside | on_rim if rim else inside & ~on_rim)


def _rim_distance(polygon: Regions, points: Floats) -> Floats:
    """The angles (n,) between points (n, 3) and the nearest point of a polygon's rim."""
    a, b = _sides(polygon.vertices)
    return np.asarray(_distances(a, b, points[:, None]).min(axis=1))


def _distances(a: Floats, b: Floats, p: Floats) -> Floats:
    """The angles (…) between points p and arcs from a to b."""
    normal = np.cross(a, b - a)
    beside = (_dot(p, np.cross(normal, a)) >= 0) & (_dot(p, np.cross(b, normal)) >= 0)
    length = np.linalg.norm(normal, axis=-1)
    sine = np.abs(_ratio(_dot(normal, p - a), length))
    to_ends = np.minimum(separation(p, a), separation(p, b))
    return np.where(beside & (length > 0), np.arcsin(np.minimum(sine, 1.0)), to_ends)


def _sides_cross(first: Regions, second: Regions) -> Bools:
    """Whether a side of one polygon crosses one of the other; to touch it is not to cross it."""
    a, b = (side[:, :, None] for side in _sides(first.vertices))  # (n, k, 1, 3)
    c, d = (side[:, None] for side in _sides(second.vertices))  # (n, 1, m, 3)
    ab, cd = np.cross(a, b - a), np.cross(c, d - c)
    ab_length, cd_length = np.linalg.norm(ab, axis=-1), np.linalg.norm(cd, axis=-1)

    def side(normal: Floats, length: Floats, start: Floats, point: Floats) -> Floats:
        sine = _ratio(_dot(normal, point - start), length)
        return np.where(np.abs(sine) <= _ON_RIM, 0.0, np.sign(sine))

    of_c, of_d = side(ab, ab_length, a, c), side(ab, ab_length, a, d)
    of_a, of_b = side(cd, cd_length, c, a), side(cd, cd_length, c, b)
    # the last one tells a crossing from one of the arcs with the far side of the other's great circle
    return np.asarray(((of_c * of_d < 0) & (of_a * of_b < 0) & (of_c * of_b > 0)).any(axis=(1, 2)))


def _excesses(polygons: Regions) -> Floats:
    """The signed areas (n, k) in sr of the triangles between a polygon's centre and its sides."""
    a, b = _sides(polygons.vertices)
    c = polygons.centre[:, None]
    turn = _dot(np.cross(a - c, b - c), c)
    return np.asarray(2 * np.arctan2(turn, 1 + _dot(c, a) + _dot(a, b) + _dot(b, c)))


def _middles(vertices: Floats) -> Floats:
    """Vectors (n, 3) that have all vertices (n, k, 3) of their polygon in the half sphere around them."""
    middle = _unit(vertices.sum(axis=1))
    for _ in range(_STEPS):
        cosines = _dot(vertices, middle[:, None])
        worst = cosines.argmin(axis=1)
        rows = np.flatnonzero(cosines[np.arange(len(worst)), worst] <= 1e-9)
        if not len(rows):
            return middle
        middle[rows] = _unit(middle[rows] + vertices[rows, worst[rows]] * 0.5)
    raise ValueError("a polygon must be smaller than half of the sphere: its vertices do not fit into one")


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray((a * b).sum(axis=-1))


def _unit(v: Floats) -> Floats:
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.asarray(np.where(length > 1e-15, v / np.where(length > 1e-15, length, 1.0), [1.0, 0.0, 0.0]))


def _ratio(a: Floats, b: Floats) -> Floats:
    """a / b, and 0 where b is 0."""
    a, b = np.broadcast_arrays(a, b)
    return np.divide(a, b, out=np.zeros(a.shape), where=b > 0)


def numbers(vertices: Floats) -> list[float]:
    """Vectors (k, 3) as DALI writes a polygon."""
    lon, lat = positions(vertices)
    return [float(number) for number in np.stack([lon, lat], axis=1).ravel()]
