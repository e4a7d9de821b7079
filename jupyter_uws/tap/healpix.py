"""HEALPix: the number of the cell that a position lies in (Górski et al. 2005), NESTED."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MAX_ORDER = 29


def nested_index(order: Integers, lon: Floats, lat: Floats) -> Integers:
    """Indices (n,) of the cells of ``order`` (0 to 29) that positions in degrees lie in. Raises ValueError."""
    if ((order < 0) | (order > MAX_ORDER)).any():
        raise ValueError(f"ivo_healpix_index: the order is a number from 0 to {MAX_ORDER}")
    side = np.left_shift(np.int64(1), order)
    z = np.sin(np.radians(lat))
    quarter = (lon % 360.0) / 90.0 % 4.0
    belt = np.abs(z) <= 2 / 3
    # the belt around the equator: diagonal lines, up and down
    up = side * (0.5 + quarter)
    down = side * z * 0.75
    first, second = np.floor(up - down).astype(np.int64), np.floor(up + down).astype(np.int64)
    ring_up, ring_down = first // side, second // side
    face = np.where(
        ring_up == ring_down, (ring_up % 4) + 4, np.where(ring_up < ring_down, ring_up % 4, (ring_down % 4) + 8)
    )
    x, y = second % side, side - first % side - 1
    # the caps; their distance from the pole by the cosine of the latitude, which is exact where 1 - |z| is not
    sector = np.minimum(quarter.astype(np.int64), 3)
    part = quarter - sector
    edge = side * np.cos(np.radians(lat)) / np.sqrt((1 + np.abs(z)) / 3)
    near = np.clip(np.floor(part * edge).astype(np.int64), 0, side - 1)
    far = np.clip(np.floor((1 - part) * edge).astype(np.int64), 0, side - 1)
    north = z >= 0
    cap_x, cap_y = np.where(north, side - far - 1, near), np.where(north, side - near - 1, far)
    face = np.where(belt, face, np.where(north, sector, sector + 8))
    x, y = np.where(belt, x, cap_x), np.where(belt, y, cap_y)
    return np.asarray(np.left_shift(face, 2 * order) + _spread(x) + np.left_shift(_spread(y), 1))


def _spread(bits: Integers) -> Integers:
    """The 29 lower bits, each followed by a 0."""
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F), (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ):  # fmt: skip
        bits = (bits | np.left_shift(bits, shift)) & mask
    return bits
