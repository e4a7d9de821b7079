"""The shipped list of sources: positions agree with those written in the names, and no name means two sources."""

from __future__ import annotations

import re

import pytest
from astropy.coordinates import FK4, SkyCoord

from jupyter_uws.names import listed_sources, normalise

J_NAME = re.compile(r"J(\d{2})(\d{2})(\d{2})?(\.\d+)?\d*([+-])(\d{2})(\d*)")
B_NAME = re.compile(r"(?:1ES|PKS|PG|H|B2|TXS|KUV|PSR B|S5|S4|S3)\s?(\d{2})(\d{2})\d?([+-])(\d{2})(\d*)")

NAMED = [(source, name) for source in listed_sources() for name in (source.name, *source.aliases)]


def position(source) -> SkyCoord:
    return SkyCoord(source.ra, source.dec, unit="deg")


def declination(sign: str, degrees: str, rest: str) -> float:
    value = int(degrees) + (int(rest) / 10 if len(rest) == 1 else int(rest[:2]) / 60 if rest else 0.5)
    return -value if sign == "-" else value


def test_the_list_is_about_as_long_as_promised_and_complete() -> None:
    sources = listed_sources()
    assert len(sources) >= 150
    for source in sources:
        assert 0 <= source.ra < 360, source
        assert -90 <= source.dec <= 90, source
        assert source.kind, source
        assert source.reference, source


def test_no_name_means_two_sources() -> None:
    owners: dict[str, str] = {}
    for source, name in NAMED:
        assert owners.setdefault(normalise(name), source.name) == source.name, name
    assert len(owners) == len(NAMED), "an alias is only another spelling of a name that is there already"


@pytest.mark.parametrize(
    ("name", "ra", "dec"),
    [
        ("Crab Nebula", 83.6331, 22.0145),
        ("Mrk 421", 166.1138, 38.2088),
        ("Mrk 501", 253.4676, 39.7602),
        ("PKS 2155-304", 329.7169, -30.2256),
        ("M 87", 187.7059, 12.3911),
        ("Galactic Centre", 266.4168, -29.0078),
        ("Centaurus A", 201.3651, -43.0191),
        ("Cassiopeia A", 350.850, 58.815),
        ("LS 5039", 276.5628, -14.8484),
        ("Eta Carinae", 161.2648, -59.6844),
    ],
)
def test_known_positions(name: str, ra: float, dec: float) -> None:
    source = next(source for source in listed_sources() if source.name == name)
    assert position(source).separation(SkyCoord(ra, dec, unit="deg")).arcsec < 20


def test_positions_agree_with_j_names() -> None:
    checked = 0
    for source, name in NAMED:
        if not (match := J_NAME.search(name)):
            continue
        hours, minutes, seconds, fraction, sign, degrees, rest = match.groups()
        time = int(hours) + (int(minutes) + float(fraction or 0) * (seconds is None)) / 60 + int(seconds or 0) / 3600
        # a name is cut off, not rounded: its last digit leaves room
        encoded = SkyCoord(15 * time, declination(sign, degrees, rest), unit="deg")
        # and declinations of two digits are known to a degree only
        assert position(source).separation(encoded).deg < (0.5 if rest else 0.75), (source.name, name)
        checked += 1
    assert checked > 100


def test_positions_agree_with_names_of_b1950() -> None:
    checked = 0
    for source, name in NAMED:
        if not (match := B_NAME.fullmatch(name)):
            continue
        hours, minutes, sign, degrees, rest = match.groups()
        old = position(source).transform_to(FK4(equinox="B1950"))
        difference = (old.ra.hour - int(hours)) * 60 - int(minutes)
        assert -0.6 < difference < 1.3, (source.name, name)
        assert abs(old.dec.deg - declination(sign, degrees, rest)) < 0.6, (source.name, name)
        checked += 1
    assert checked > 40
