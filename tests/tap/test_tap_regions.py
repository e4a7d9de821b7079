"""Regions on the sphere agree with astropy, astropy-healpix and spherical-geometry, and with each other's laws."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy_healpix import HEALPix
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from spherical_geometry.polygon import SphericalPolygon

from jupyter_uws.tap import healpix, regions, stcs
from jupyter_uws.tap.regions import Regions

FEW = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

# everywhere, and where it is difficult: the poles, the wrap, tiny steps
lons = st.one_of(st.floats(0, 360), st.sampled_from([0.0, 360.0, 359.9999999, 1e-9, 180.0, 90.0, -0.5]))
lats = st.one_of(st.floats(-90, 90), st.sampled_from([90.0, -90.0, 89.99999, -89.99999, 0.0]))
sizes = st.one_of(st.floats(0.001, 80), st.sampled_from([1e-4, 1e-3, 0.5, 45.0]))
places = st.tuples(lons, lats)


def make(*shapes: list[float]) -> Regions:
    return regions.regions(
        np.array([n for shape in shapes for n in shape], dtype=float), np.array(list(map(len, shapes)))
    )


@st.composite
def polygons(draw: st.DrawFn) -> list[float]:
    """Star-shaped around a place, so that no sides cross: convex ones and others, either way round."""
    lon, lat = draw(places)
    size = draw(sizes)
    count = draw(st.integers(3, 8))
    turns = (np.arange(count) + np.array(draw(st.lists(st.floats(0.05, 0.8), min_size=count, max_size=count)))) / count
    reach = size * np.array(draw(st.lists(st.floats(0.3, 1), min_size=count, max_size=count)))
    if draw(st.booleans()):
        turns = turns[::-1]
    centre = SkyCoord(lon * u.deg, lat * u.deg)
    corners = centre.directional_offset_by(turns * 360 * u.deg, reach * u.deg)
    return [float(n) for pair in zip(corners.ra.deg, corners.dec.deg, strict=True) for n in pair]


def peer(shape: list[float], inside: tuple[float, float] | None = None) -> SphericalPolygon:
    return SphericalPolygon.from_lonlat(shape[0::2], shape[1::2], center=inside)


def near(shape: list[float], spread: float, count: int = 40) -> np.ndarray:
    """Positions (count, 2) around a polygon's vertices and middle, and everywhere."""
    rng = np.random.default_rng(len(shape) * 1000 + int(abs(shape[0]) * 7))
    lon, lat = regions.positions(regions.centroids(make(shape)))
    around = SkyCoord(lon * u.deg, lat * u.deg).directional_offset_by(
        rng.uniform(0, 360, count) * u.deg, rng.uniform(0, 1.5 * spread, count) * u.deg
    )
    far = np.stack([rng.uniform(0, 360, 10), np.degrees(np.arcsin(rng.uniform(-1, 1, 10)))], axis=1)
    return np.concatenate([np.stack([around.ra.deg, around.dec.deg], axis=1), far])


def extent(shape: list[float]) -> float:
    made = make(shape)
    return float(np.degrees(regions.separation(made.centre, made.vertices[0]).max()))


@FEW
@given(polygons())
def test_points_in_polygons_and_areas(shape: list[float]) -> None:
    made = make(shape)
    middle = made.centre[0]
    points = near(shape, extent(shape))
    found = regions.contains(make(*[shape] * len(points)), make(*points.tolist()))
    # by the winding around the point: the sum of the angles under which it sees the sides
    vertices, vectors = made.vertices[0], regions.vectors(points[:, 0], points[:, 1])
    seen = np.zeros(len(points))
    for a, b in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        across, along = np.cross(vectors, a), np.cross(vectors, b)
        seen += np.arctan2((vectors * np.cross(across, along)).sum(axis=1), (across * along).sum(axis=1))
    expected = (np.abs(seen) > np.pi) & (vectors @ middle > 0)
    rim = np.array([regions._rim_distance(made, v[None])[0] for v in vectors])
    sure = rim > 1e-9
    np.testing.assert_array_equal(found[sure], expected[sure])
    area = regions.areas(made)[0]
    lon, lat = regions.positions(regions.vectors(*points[0]))
    theirs = peer(shape).area()
    theirs = min(theirs, 4 * np.pi - theirs)
    assert area == pytest.approx(theirs, rel=1e-5, abs=1e-12)
    assert lon == pytest.approx(points[0, 0] % 360) or abs(lat) > 89.9999


@FEW
@given(polygons(), polygons())
@example(
    [0.866047387, 0.499980961, 0.0, -1.0, 359.133952613, 0.499980961],
    [350.728338181, 9.152595761, 335.743379591, -9.657453626, 19.028239804, -18.057736572, 5.435438201, 25.464258115],
)
def test_polygons_that_meet(a: list[float], b: list[float]) -> None:
    first, second = make(a), make(b)
    found = regions.intersects(first, second)[0]
    assert found == regions.intersects(second, first)[0]
    for one, other in ((a, b), (b, a)):
        points = near(one, extent(one), 200)
        shared = regions.contains(make(*[one] * len(points)), make(*points.tolist())) & regions.contains(
            make(*[other] * len(points)), make(*points.tolist())
        )
        if shared.any():
            assert found
    assert regions.intersects(first, first)[0]
    assert regions.contains(first, first)[0]
    if regions.contains(first, second)[0]:
        assert found
        assert regions.areas(second)[0] <= regions.areas(first)[0] * (1 + 1e-9)
    if max(extent(a), extent(b)) < 40 and min(extent(a), extent(b)) > 0.01:
        rims = min(_gap(first, second), _gap(second, first))
        assume(rims > 1e-6)
        # the peer's own choice of a point inside may lie outside
        assert found == peer(a, _middle(a)).intersects_poly(peer(b, _middle(b)))


def _middle(shape: list[float]) -> tuple[float, float]:
    """A place within a polygon."""
    made = make(shape)
    [lon], [lat] = regions.positions(regions.centroids(made))
    assume(regions.contains(made, make([lon, lat]))[0])
    return float(lon), float(lat)


def _gap(a: Regions, b: Regions) -> float:
    """How far the vertices of one polygon are from the rim of the other, in rad."""
    return float(min(regions._rim_distance(a, vertex[None])[0] for vertex in b.vertices[0]))


@FEW
@given(polygons(), places, st.floats(0, 1), st.floats(0.01, 2))
def test_circles_and_polygons(shape: list[float], place: tuple[float, float], where: float, size: float) -> None:
    made = make(shape)
    lon, lat = regions.positions(made.centre[0])
    offset = where * 2.5 * extent(shape)
    centre = SkyCoord(lon * u.deg, lat * u.deg).directional_offset_by(place[0] * u.deg, offset * u.deg)
    radius = float(size * extent(shape))
    circle = make([centre.ra.deg, centre.dec.deg, radius])
    # the rim of the circle, and that of the polygon, as points
    rim = centre.directional_offset_by(np.linspace(0, 360, 721) * u.deg, radius * u.deg)
    rim_points = make(*np.stack([rim.ra.deg, rim.dec.deg], axis=1).tolist())
    inside = regions.contains(make(*[shape] * 721), rim_points)
    a, b = made.vertices[0], np.roll(made.vertices[0], -1, axis=0)
    steps = np.linspace(0, 1, 400)[:, None, None]
    side = (a + steps * (b - a)).reshape(-1, 3)
    apart = np.degrees(regions.separation(side / np.linalg.norm(side, axis=1)[:, None], circle.centre))
    middle = regions.contains(made, make([centre.ra.deg, centre.dec.deg]))[0]
    if abs(apart.min() - radius) > 1e-3 * extent(shape):
        assert regions.intersects(circle, made)[0] == (middle or apart.min() <= radius)
        assert regions.contains(made, circle)[0] == (middle and bool(inside.all()) and apart.min() >= radius)
    if abs(apart.max() - radius) > 1e-3 * extent(shape) and radius < 90:
        assert regions.contains(circle, made)[0] == (apart.max() <= radius)


@FEW
@given(polygons(), st.floats(0, 180))
def test_circles_larger_than_a_half_sphere(shape: list[float], lon: float) -> None:
    """contain what does not reach into the rest of the sphere."""
    made = make(shape)
    for radius in (95.0, 120.0, 179.0):
        outer, rest = make([lon, 20.0, radius]), make([lon + 180, -20.0, 180 - radius])
        assume(abs(np.degrees(regions._rim_distance(made, rest.centre)[0]) - (180 - radius)) > 1e-6)
        assert regions.contains(outer, made)[0] == (not regions.intersects(rest, made)[0])
    assert regions.contains(make([lon, 20.0, 180.0]), made)[0]


STEPS = 20
# the middles of the small triangles that a triangle is cut into, those that point up and those that point down
GRID = np.array(
    [
        ((i + up / 3) / STEPS, (j + up / 3) / STEPS)
        for up in (1, 2)
        for i in range(STEPS)
        for j in range(STEPS - i + 1 - up)
    ]
)


@FEW
@given(polygons())
def test_centroids(shape: list[float]) -> None:
    """The sum over small triangles, seen from the centre of the sphere."""
    made = make(shape)
    a, b, c = made.vertices[0], np.roll(made.vertices[0], -1, axis=0), made.centre[0]
    total = np.zeros(3)
    for p, q in zip(a, b, strict=True):
        flat = c + GRID[:, :1] * (p - c) + GRID[:, 1:] * (q - c)
        length = np.linalg.norm(flat, axis=1)
        total += np.dot(np.cross(p - c, q - c), c) * (flat / length[:, None] ** 4).sum(axis=0)
    if total @ c < 0:  # clockwise
        total = -total
    found = regions.centroids(made)[0]
    apart = np.degrees(regions.separation(found, total / np.linalg.norm(total)))
    assert apart < 5e-3 * extent(shape) + 1e-9


@FEW
@given(places, st.floats(0, 179), st.floats(0, 179))
def test_boxes_are_crosses_closed_by_great_circles(place: tuple[float, float], width: float, height: float) -> None:
    vertices = regions.box(*place, width, height)
    centre, east = regions.vectors(np.array([place[0], place[0] + 90]), np.array([place[1], 0.0]))
    north = np.cross(centre, east)
    for arm, size, (i, j) in (
        (east, width, (1, 2)),
        (-east, width, (0, 3)),
        (north, height, (2, 3)),
        (-north, height, (0, 1)),
    ):
        end = np.cos(np.radians(size / 2)) * centre + np.sin(np.radians(size / 2)) * arm
        pole = np.sin(np.radians(size / 2)) * centre - np.cos(np.radians(size / 2)) * arm
        # the side runs through the end of the arm, at a right angle: both vertices lie on that great circle
        assert abs(np.dot(end, pole)) < 1e-12
        np.testing.assert_allclose(vertices[[i, j]] @ pole, 0, atol=1e-12)


@FEW
@given(st.lists(places, min_size=1, max_size=50), st.integers(0, 29))
def test_healpix(points: list[tuple[float, float]], order: int) -> None:
    lon, lat = np.array(points).T
    found = healpix.nested_index(np.full(len(lon), order), lon, lat)
    peer = HEALPix(nside=2**order, order="nested")
    expected = peer.lonlat_to_healpix(lon % 360 * u.deg, lat * u.deg)
    for index in np.flatnonzero(found != expected):
        # on the line between two cells, and so in both
        step = 1e-9 * u.deg
        around = SkyCoord(lon[index], lat[index], unit="deg").directional_offset_by(np.arange(8) * 45 * u.deg, step)
        assert found[index] in peer.lonlat_to_healpix(around.ra, around.dec)


def test_healpix_of_many_points() -> None:
    rng = np.random.default_rng(20261124)
    lon, lat = rng.uniform(-360, 720, 50_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 50_000)))
    for order in (0, 1, 5, 12, 20):
        expected = HEALPix(nside=2**order, order="nested").lonlat_to_healpix(lon * u.deg, lat * u.deg)
        np.testing.assert_array_equal(healpix.nested_index(np.full(50_000, order), lon, lat), expected)


@pytest.mark.parametrize("name", ["fk5", "galactic"])
@FEW
@given(place=places)
def test_frames(name: str, place: tuple[float, float]) -> None:
    point = stcs.icrs("point", list(place), name.upper())
    expected = SkyCoord(*place, unit="deg", frame=name).icrs
    assert SkyCoord(*point, unit="deg").separation(expected).arcsec < 1e-5


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("CIRCLE ICRS 10 20 0.5", [10, 20, 0.5]),
        ("circle 10. -20 .5e0", [10, -20, 0.5]),
        ("10 20 0.5", [10, 20, 0.5]),
        ("Position UNKNOWNFRAME 10 20", [10, 20]),
        ("POLYGON ICRS BARYCENTER SPHERICAL2 1 2 3 4 5 6", [1, 2, 3, 4, 5, 6]),
        ("ICRS 1 2 3 4 5 6 7 8", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("", None),
        ("  ", None),
    ],
)
def test_stcs(text: str, numbers: list[float] | None) -> None:
    assert stcs.numbers(text) == numbers


@pytest.mark.parametrize(
    "text",
    ["UNION (CIRCLE 1 2 3 CIRCLE 1 2 3)", "CIRCLE 1 2", "CIRCLE FK4 1 2 3", "POLYGON 1 2 3 4", "BOX 1 2 3", "nan nan 1",
     "CIRCLE 10 95 1", "POLYGON 1 2 3 4 5 6 7", "CIRCLE 1_0 2 3", "BOX 1 2 200 1", "1 2 3 4", "CIRCLE 1e999 2 3"],
)  # fmt: skip
def test_stcs_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no region|latitude|too large|a box of"):
        stcs.numbers(text)


def test_degenerate_polygons() -> None:
    """A line and a point as polygons have no area, and their rim."""
    line, dot = make([10, 0, 20, 0, 15, 0]), make([10, 20, 10, 20, 10, 20])
    for shape, on, off in ((line, [12.0, 0.0], [12.0, 0.1]), (dot, [10.0, 20.0], [10.0, 20.001])):
        assert regions.areas(shape)[0] == pytest.approx(0, abs=1e-15)
        assert regions.contains(shape, make(on))[0]
        assert not regions.contains(shape, make(off))[0]
        assert regions.intersects(shape, make([*off, 0.2]))[0]
    lon, lat = regions.positions(regions.centroids(dot))
    assert (lon[0], lat[0]) == pytest.approx((10, 20))
    with pytest.raises(ValueError, match="half of the sphere"):
        make([0, 0, 120, 0, 240, 0])
    with pytest.raises(ValueError, match="half of the sphere"):
        make([0, 0, 180, 0, 90, 10])
    with pytest.raises(ValueError, match="numbers, not 4"):
        make([0, 0, 1, 0])


def test_polygons_around_a_pole_and_across_the_wrap() -> None:
    cap = [0, 80, 90, 80, 180, 80, 270, 80]
    assert regions.contains(make(cap, cap, cap), make([33, 90], [33, 85], [45, 80])).tolist() == [True, True, False]
    wrap = [359, -1, 1, -1, 1, 1, 359, 1]
    assert regions.contains(make(*[wrap] * 4), make([0, 0], [360, 0.5], [-0.5, 0], [180, 0])).tolist() == [
        True,
        True,
        True,
        False,
    ]


def test_a_thousand_vertices_stay_within_bounds() -> None:
    turn = np.radians(np.linspace(0, 360, 1000, endpoint=False))
    ring = np.stack([10 * np.cos(turn), 10 * np.sin(turn)], axis=1).ravel().tolist()
    points = np.random.default_rng(1).uniform(-12, 12, (256, 2))
    found = regions.contains(make(*[ring] * 256), make(*points.tolist()))
    assert found.mean() == pytest.approx(np.pi * 100 / 24**2, abs=0.1)
    with pytest.raises(ValueError, match="polygons of 1000 and 1000 vertices are too much to compare"):
        regions.intersects(make(*[ring] * 256), make(*[ring] * 256))
    with pytest.raises(ValueError, match="a polygon has 1001 vertices, and may have 1000"):
        make([*ring, 0, 0])
