"""From a target's name, or coordinates as text, to a position.

The order: coordinates; the shipped list of well-known gamma-ray sources, by exact alias; CDS
Sesame over HTTPS, for five seconds at most; an error that names what is near. A misspelt name is
never taken for another source.
"""

from __future__ import annotations

import difflib
import re
import threading
from dataclasses import dataclass
from functools import lru_cache

from astropy import units as u
from astropy.coordinates import Angle, SkyCoord

from ..names import (
    SESAME,
    SESAME_SIZE,
    SESAME_TIMEOUT,
    NotUnderstood,
    is_name,
    listed_names,
    normalise,
    parse_sesame,
    sesame_question,
)
from .errors import BadValue, UnknownTarget


@dataclass(frozen=True)
class Target:
    """A position with a name. ``source`` tells where it is from: ``list``, ``sesame`` or ``coordinates``."""

    name: str
    position: SkyCoord
    source: str = "list"
    reference: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.position.to_string('hmsdms', precision=1)})"


def resolve(name: str) -> Target:
    """The position of a target.

    Parameters
    ----------
    name
        A source's name in any usual spelling, or coordinates: ``83.63 22.01``,
        ``05:34:31 +22:00:52``, ``5h34m31s +22d``, ``184.56 -5.78 galactic``.

    Raises
    ------
    UnknownTarget
        Nothing of exactly that name is known; the text names what is near.
    ValueError
        Coordinates that are not on the sky, or no text at all.
    """
    text = " ".join(name.split())
    if not text:
        raise BadValue("a target's name is empty")
    if not is_name(text):
        raise UnknownTarget(f"{text[:40]!r}… is not the name of a target.")
    found = parse_coordinates(text)
    if found is not None:
        return found
    listed = listed_names().get(normalise(text))
    if listed is not None:
        position = SkyCoord(listed.ra, listed.dec, unit="deg")
        return Target(listed.name, position, "list", listed.reference, listed.kind)
    try:
        found = _ask_sesame(text)
        reason = "and CDS Sesame does not know it"
    except SesameUnreachable as error:
        reason = f"and CDS Sesame could not be asked ({error})"
    if found is not None:
        return found
    near = suggestions(text)
    hint = f" Did you mean {' or '.join(near)}?" if near else " Give its coordinates, as '83.63 22.01'."
    raise UnknownTarget(f"The target {text!r} is not in the list of gamma-ray sources, {reason}.{hint}")


def as_target(value: str | Target | SkyCoord, parameter: str = "target") -> Target:
    """The target that is meant by a name, coordinates as text, a SkyCoord or a Target.

    Raises
    ------
    UnknownTarget, ValueError
        As :func:`resolve`; ValueError also for more than one position, or anything else, naming ``parameter``.
    """
    if isinstance(value, Target):
        return value
    if isinstance(value, str):
        return resolve(value)
    if not isinstance(value, SkyCoord):
        kind = type(value).__name__
        raise BadValue(f"{parameter}= must be a name, coordinates as '83.63 22.01' or a SkyCoord, not {kind}")
    if value.size != 1:
        raise BadValue(f"{parameter}= must be one position, not {value.size}")
    position = value.reshape(()).icrs
    return Target(position.to_string("hmsdms", precision=1), position, "coordinates")


def suggestions(name: str, count: int = 3) -> list[str]:
    """The listed sources whose names are nearest in spelling, the nearest first."""
    wanted = normalise(name)
    index = listed_names()
    begin = [alias for alias in index if len(wanted) >= 3 and alias.startswith(wanted)]
    # what was not written to its end is that, and not something else that looks like it
    near = sorted(begin) or difflib.get_close_matches(wanted, index, n=4 * count, cutoff=0.75)
    found: dict[str, str] = {}
    for alias in near:
        source = index[alias]
        written = next(name for name in (source.name, *source.aliases) if normalise(name) == alias)
        found.setdefault(source.name, source.name if written == source.name else f"{source.name} ({written})")
    return list(found.values())[:count]


_FRAMES = {"icrs": "icrs", "j2000": "icrs", "fk5": "fk5", "galactic": "galactic", "gal": "galactic"}
_ANGLES = re.compile(r"[\d\s:.,+\-hdms°′″'\"]+")


def parse_coordinates(text: str) -> Target | None:
    """Coordinates as text, or None where the text is a name.

    Two angles, and perhaps the frame (``icrs``, ``fk5``, ``galactic``). Sexagesimal right
    ascensions are in hours, everything else in degrees.

    Raises
    ------
    ValueError
        Two angles that are not on the sky.
    """
    plain = re.sub(r"[−‐-―]", "-", text.strip("()[] ")).replace("deg", "d")
    words = plain.split()
    frame = "icrs"
    for place in (-1, 0):
        if words and words[place].lower() in _FRAMES:
            frame = _FRAMES[words.pop(place).lower()]
            break
    body = " ".join(words)
    if not _ANGLES.fullmatch(body):
        return None
    parts = _two_angles(body)
    if parts is None:
        return None
    first = parts[0]
    hours = frame != "galactic" and ("h" in first or ":" in first or " " in first) and "d" not in first
    try:
        longitude = Angle(first, unit=u.hourangle if hours else u.deg)
        latitude = Angle(parts[1], unit=u.deg)
    except (ValueError, u.UnitsError, TypeError):
        if ":" in body or "h" in body:
            raise BadValue(f"{text!r} looks like coordinates, but its angles are not between 0, 24 and 60") from None
        return None
    limit = 24.0 if hours else 360.0
    value = longitude.to_value(u.hourangle) if hours else longitude.deg
    if not (0 if hours else -180) <= value <= limit:
        raise BadValue(f"{text!r}: {first} is not between 0 and {limit:g} {'h' if hours else 'deg'}")
    if not -90 <= latitude.deg <= 90:
        raise BadValue(f"{text!r}: {parts[1]} is not between -90 and +90 deg")
    return Target(text, SkyCoord(longitude, latitude, frame=frame).icrs, "coordinates")


def _two_angles(body: str) -> tuple[str, str] | None:
    if body.count(",") == 1:
        first, second = (part.strip() for part in body.split(","))
    else:
        words = body.split()
        if len(words) == 1 and (match := re.fullmatch(r"([\d:.hms]*[:h][\d:.hms]*)([+-].*)", body)):
            first, second = match.groups()
        elif len(words) in (2, 4, 6):
            half = len(words) // 2
            first, second = " ".join(words[:half]), " ".join(words[half:])
        else:
            return None
    return (first, second) if re.search(r"\d", first) and re.search(r"\d", second) else None


class SesameUnreachable(Exception):
    """Sesame did not answer; the text is the reason in a few words."""


def _ask_sesame(name: str) -> Target | None:
    """Ask Sesame with a bound on the whole, the look-up of its host included, which has none of its own."""
    outcome: list[Target | BaseException | None] = []

    def ask() -> None:
        try:
            outcome.append(_sesame(name))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=ask, name="sesame", daemon=True)
    thread.start()
    thread.join(SESAME_TIMEOUT)
    if not outcome:
        raise SesameUnreachable(f"no answer within {SESAME_TIMEOUT:g} s")
    result = outcome[0]
    if isinstance(result, BaseException):
        raise result
    return result


@lru_cache(maxsize=256)
def _sesame(name: str) -> Target | None:
    import requests

    try:
        question = sesame_question(SESAME, name)
        with requests.get(question, timeout=SESAME_TIMEOUT, stream=True, allow_redirects=False) as response:
            if response.status_code != 200:
                raise SesameUnreachable(f"it answered {response.status_code}")
            found = parse_sesame(next(response.iter_content(SESAME_SIZE), b""), name)
    except requests.exceptions.Timeout:
        raise SesameUnreachable("no answer in time") from None
    except requests.exceptions.RequestException:
        raise SesameUnreachable("no connection") from None
    except NotUnderstood:
        raise SesameUnreachable("its answer was not understood") from None
    if found is None:
        return None
    return Target(name, SkyCoord(found.ra, found.dec, unit="deg"), "sesame", found.reference, found.kind)
