"""STC-S, the text form of regions: ``CIRCLE ICRS 10 20 0.5``, ``POLYGON 10 20 11 20 11 21``, …"""

from __future__ import annotations

import numpy as np

from . import regions
from .regions import Floats

_MAX_LENGTH = 500_000  # characters

# to ICRS, as columns of unit vectors; FK5 is that of J2000
_FRAMES: dict[str, Floats | None] = {
    "ICRS": None,
    "FK5": np.array([
        [0.9999999999999928, 1.1102233738475023e-07, 4.41180342992963e-08],
        [-1.1102233290551095e-07, 0.9999999999999891, -9.64779274502609e-08],
        [-4.411804498096775e-08, 9.647792246010133e-08, 0.9999999999999943],
    ]),
    "GALACTIC": np.array([
        [-0.05487565771259218, 0.49410943719272665, -0.8676661375596585],
        [-0.8734370519556162, -0.4448297212232957, -0.19807633727300056],
        [-0.4838350736167156, 0.7469821839866677, 0.45598381368730206],
    ]),
}  # fmt: skip
_OTHER_NAMES = {"": "ICRS", "UNKNOWNFRAME": "ICRS", "J2000": "FK5", "GALACTIC_II": "GALACTIC"}
_IGNORED = {
    "GEOCENTER", "BARYCENTER", "HELIOCENTER", "TOPOCENTER", "UNKNOWNREFPOS", "SPHERICAL2", "UNIT", "DEG",
}  # fmt: skip
_KINDS = {"POSITION": "point", "POINT": "point", "CIRCLE": "circle", "BOX": "box", "POLYGON": "polygon"}


def frame(name: str) -> str | None:
    """ICRS, FK5 or GALACTIC for a coordinate system as ADQL or STC-S name it; None for any other."""
    words = [word for word in name.upper().split() if word not in _IGNORED]
    if len(words) > 1:
        return None
    found = "".join(words)
    found = _OTHER_NAMES.get(found, found)
    return found if found in _FRAMES else None


def to_icrs(points: Floats, name: str) -> Floats:
    """Vectors (…, 3) of the frame ``name`` in ICRS."""
    matrix = _FRAMES[name]
    return points if matrix is None else np.asarray(points @ matrix.T)


def numbers(text: str) -> list[float] | None:
    """The numbers of a region in degrees and ICRS (see :mod:`~jupyter_uws.tap.regions`); None for an empty text.

    Raises ValueError for a text that is no such region.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"a region of {len(text)} characters is too long: {_MAX_LENGTH} are allowed")
    words, values = _split(text)
    if not words and not values:
        return None
    kind = _KINDS.get(words[0]) if words else None
    system = frame(" ".join(words[1 if kind else 0 :]))
    if kind is None and (not words or system is not None):
        kind = {2: "point", 3: "circle"}.get(len(values), "polygon")
    if kind is None or system is None or not _fits(kind, len(values)):
        raise ValueError(
            f"{text[:60]!r} is no region that can be compared: POSITION, CIRCLE, BOX and POLYGON are,"
            " in ICRS, FK5 or GALACTIC"
        )
    return icrs(kind, values, system)


def plain(kind: str, text: str) -> list[float]:
    """The numbers of a point, circle or polygon that DALI writes as nothing but these. Raises ValueError."""
    words, values = _split(text)
    if words or not _fits(kind, len(values)):
        raise ValueError(f"{text[:60]!r} is no {kind} in ICRS")
    return icrs(kind, values, "ICRS")


def icrs(kind: str, values: list[float], system: str) -> list[float]:
    """The numbers of a point, circle, box or polygon that is given in ``system``, in ICRS. Raises ValueError."""
    if not np.isfinite(values).all():
        raise ValueError("a coordinate is too large")
    latitudes = values[1::2] if kind == "polygon" else values[1:2]
    for lat in latitudes:
        if abs(lat) > 90:
            raise ValueError(f"the latitude {lat:g} is not between -90 and 90 deg")
    if kind == "box":
        return regions.numbers(to_icrs(regions.box(values[0], values[1], values[2], values[3]), system))
    if system == "ICRS":
        return values
    count = len(values) // 2 if kind == "polygon" else 1
    pairs = np.array(values[: 2 * count]).reshape(count, 2)
    return regions.numbers(to_icrs(regions.vectors(pairs[:, 0], pairs[:, 1]), system)) + values[2 * count :]


def _split(text: str) -> tuple[list[str], list[float]]:
    """The words before the numbers, in capitals, and the numbers."""
    words: list[str] = []
    values: list[float] = []
    tokens = text.split()
    if [token.upper() for token in tokens[-2:]] == ["UNIT", "DEG"]:
        tokens = tokens[:-2]
    for token in tokens:
        try:
            values.append(float(token) if "_" not in token else float("x"))
        except ValueError:
            if values:
                return ["?"], values  # a word after a number: several regions, or nonsense
            words.append(token.upper())
    return words, values


def _fits(kind: str, count: int) -> bool:
    if kind == "polygon":
        return count >= 6 and count % 2 == 0
    return count == {"point": 2, "circle": 3, "box": 4}[kind]
