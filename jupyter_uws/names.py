"""Names of sources: the list that is shipped, and what CDS Sesame answers. No network in here."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from urllib.parse import quote

#: Sesame's program at CDS; mirrors have the same below another host.
SESAME = "https://cds.unistra.fr/cgi-bin/nph-sesame"
#: Seconds for the whole of a question to Sesame, the look-up of its host's name included.
SESAME_TIMEOUT = 5.0
#: The most that is read of an answer [bytes].
SESAME_SIZE = 256 * 1024
LONGEST_NAME = 120


@dataclass(frozen=True)
class Source:
    """A source with all its names; ``ra`` and ``dec`` in deg, ICRS."""

    name: str
    aliases: tuple[str, ...]
    ra: float
    dec: float
    kind: str
    reference: str


class NotUnderstood(ValueError):
    """An answer that is not Sesame's."""


def is_name(text: str) -> bool:
    """Whether that can be the name of a source at all: nothing else is sent anywhere."""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and text.strip() != ""


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
def listed_sources() -> tuple[Source, ...]:
    """The shipped list."""
    text = files(__package__).joinpath("sources.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        Source(
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
def listed_names() -> dict[str, Source]:
    """The list by its names, each :func:`normalise` d."""
    return {normalise(name): source for source in listed_sources() for name in (source.name, *source.aliases)}


def sesame_question(service: str, name: str) -> str:
    """The URL that asks a Sesame for a name: SIMBAD, then NED, then VizieR; the first that knows it, as XML."""
    return f"{service}/-ox/SNV?{quote(name, safe='')}"


def parse_sesame(body: bytes, name: str) -> Source | None:
    """Sesame's XML answer (option ``x``); None where it found nothing.

    Raises
    ------
    NotUnderstood
        It is something else, has entities, or a position that is not on the sky.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(body)
        if root.tag != "Sesame":
            raise NotUnderstood("it is no answer of Sesame")
        for resolver in root.iter("Resolver"):
            ra, dec = resolver.findtext("jradeg"), resolver.findtext("jdedeg")
            if ra and dec:
                database = (resolver.get("name") or "").partition("=")[2].partition(" (")[0] or "Sesame"
                known_as = " ".join((resolver.findtext("oname") or name).split())[:LONGEST_NAME]
                kind = (resolver.findtext("otype") or "").strip()[:40]
                return Source(name, (), *_on_the_sky(ra, dec), kind, f"CDS Sesame, {database[:40]}: {known_as}")
    except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
        raise NotUnderstood("its answer was not understood") from error
    return None


def _on_the_sky(ra: str, dec: str) -> tuple[float, float]:
    lon, lat = float(ra), float(dec)
    if not (math.isfinite(lon) and 0 <= lon <= 360 and -90 <= lat <= 90):
        raise ValueError(f"{lon} {lat} is not on the sky")
    return lon, lat
