"""From a target's name, or coordinates as text, to a position.

The order: coordinates; the shipped list of well-known gamma-ray sources, by exact alias; CDS
Sesame over HTTPS, for five seconds at most; an error that names what is near. A misspelt name is
never taken for another source.
"""

from __future__ import annotations

import csv
import difflib
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from urllib.parse import quote

from astropy import units as u
from astropy.coordinates import Angle, SkyCoord

from .errors import UnknownTarget

SESAME_URL = "https://cds.unistra.fr/cgi-bin/nph-sesame/-ox/SNV"
#: Seconds for the whole of a question to Sesame, the look-up of its host's name included.
SESAME_TIMEOUT = 5.0
_SESAME_BODY = 256 * 1024
_LONGEST_NAME = 120


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


@dataclass(frozen=True)
class ListedSource:
    """A row of the shipped list; ``ra`` and ``dec`` in deg, ICRS."""

    name: str
    aliases: tuple[str, ...]
    ra: float
    dec: float
    kind: str
    reference: str


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
        raise ValueError("a target's name is empty")
    if len(text) > _LONGEST_NAME or not text.isprintable():
        raise UnknownTarget(f"{text[:40]!r}… is not the name of a target.")
    found = parse_coordinates(text)
    if found is not None:
        return found
    listed = _index().get(normalise(text))
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
        raise ValueError(f"{parameter}= must be a name, coordinates as '83.63 22.01' or a SkyCoord, not {kind}")
    if value.size != 1:
        raise ValueError(f"{parameter}= must be one position, not {value.size}")
    position = value.reshape(()).icrs
    return Target(position.to_string("hmsdms", precision=1), position, "coordinates")


def suggestions(name: str, count: int = 3) -> list[str]:
    """The listed sources whose names are nearest in spelling, the nearest first."""
    wanted = normalise(name)
    index = _index()
    begin = [alias for alias in index if len(wanted) >= 3 and alias.startswith(wanted)]
    # what was not written to its end is that, and not something else that looks like it
    near = sorted(begin) or difflib.get_close_matches(wanted, index, n=4 * count, cutoff=0.75)
    found: dict[str, str] = {}
    for alias in near:
        source = index[alias]
        written = next(name for name in (source.name, *source.aliases) if normalise(name) == alias)
        found.setdefault(source.name, source.name if written == source.name else f"{source.name} ({written})")
    return list(found.values())[:count]


def normalise(name: str) -> str:
    """Names that differ only in case, blanks, hyphens and usual abbreviations become the same text."""
    text = name.casefold()
    text = re.sub(r"[‐-―−]", "-", text)
    text = re.sub(r"\b(markarian|mkn|mrk|mkr)(?=[\s.\d-])", "mrk", text)
    text = re.sub(r"\b(messier)(?=[\s\d])", "m", text)
    text = re.sub(r"\bg\.?c\.?$", "gc", text)
    # a plus sign belongs to the declination in a name; a hyphen is left out by many
    return re.sub(r"[\s\-_.,;:'\"()*]", "", text)


@lru_cache(maxsize=1)
def listed_sources() -> tuple[ListedSource, ...]:
    """The shipped list."""
    text = files(__package__).joinpath("sources.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        ListedSource(
            name=row["name"],
            aliases=tuple(alias.strip() for alias in row["aliases"].split(";") if alias.strip()),
            ra=float(row["ra"]),
            dec=float(row["dec"]),
            kind=row["class"],
            reference=row["reference"],
        )
        for row in rows
    )


@lru_cache(maxsize=1)
def _index() -> dict[str, ListedSource]:
    return {normalise(alias): source for source in listed_sources() for alias in (source.name, *source.aliases)}


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
            raise ValueError(f"{text!r} looks like coordinates, but its angles are not between 0, 24 and 60") from None
        return None
    limit = 24.0 if hours else 360.0
    value = longitude.to_value(u.hourangle) if hours else longitude.deg
    if not (0 if hours else -180) <= value <= limit:
        raise ValueError(f"{text!r}: {first} is not between 0 and {limit:g} {'h' if hours else 'deg'}")
    if not -90 <= latitude.deg <= 90:
        raise ValueError(f"{text!r}: {parts[1]} is not between -90 and +90 deg")
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

    url = f"{SESAME_URL}?{quote(name, safe='')}"
    try:
        with requests.get(url, timeout=SESAME_TIMEOUT, stream=True, allow_redirects=False) as response:
            if response.status_code != 200:
                raise SesameUnreachable(f"it answered {response.status_code}")
            body = next(response.iter_content(_SESAME_BODY), b"")
    except requests.exceptions.Timeout:
        raise SesameUnreachable("no answer in time") from None
    except requests.exceptions.RequestException:
        raise SesameUnreachable("no connection") from None
    return parse_sesame(body, name)


def parse_sesame(body: bytes, name: str) -> Target | None:
    """Sesame's XML answer (format ``-ox``); None where it found nothing."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise SesameUnreachable("its answer was not understood") from None
    for resolver in root.iter("Resolver"):
        ra, dec = resolver.findtext("jradeg"), resolver.findtext("jdedeg")
        if ra and dec:
            database = (resolver.get("name") or "").partition("=")[2] or "Sesame"
            known_as = " ".join((resolver.findtext("oname") or name).split())
            position = SkyCoord(float(ra), float(dec), unit="deg")
            reference = f"CDS Sesame, {database}: {known_as}"
            return Target(name, position, "sesame", reference, resolver.findtext("otype") or "")
    return None
