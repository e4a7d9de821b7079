"""Names and coordinates: never a wrong source in silence, never a hang."""

from __future__ import annotations

import time

import pytest
from astropy.coordinates import SkyCoord

from jupyter_uws.client import UnknownTarget, resolve, resolver
from jupyter_uws.client.resolver import parse_coordinates
from jupyter_uws.names import normalise

SESAME = """<?xml version="1.0"?><Sesame><Target option="SNV"><name>{name}</name>
<Resolver name="S=Simbad (via url)"><otype>QSO</otype><jpos>12:29:06.70 +02:03:08.6</jpos>
<jradeg>187.2779154</jradeg><jdedeg>+02.0523883</jdedeg><oname>3C 273</oname></Resolver></Target></Sesame>"""
NOTHING = """<?xml version="1.0"?><Sesame><Target option="SNV"><name>x</name>
<INFO>*** Nothing found *** </INFO></Target></Sesame>"""


@pytest.fixture
def sesame(odd, monkeypatch):
    monkeypatch.setattr(resolver, "SESAME", odd.url + "sesame")
    resolver._sesame.cache_clear()
    return odd


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Crab", "Crab Nebula"),
        ("  crab   NEBULA ", "Crab Nebula"),
        ("M1", "Crab Nebula"),
        ("messier 1", "Crab Nebula"),
        ("PSR B0531+21", "Crab Nebula"),
        ("Mkn421", "Mrk 421"),
        ("Markarian 421", "Mrk 421"),
        ("mrk-421", "Mrk 421"),
        ("PKS2155−304", "PKS 2155-304"),
        ("1es 1959+650", "1ES 1959+650"),
        ("RXJ1713.7-3946", "RX J1713.7-3946"),
        ("Sgr A*", "Galactic Centre"),
        ("galactic center", "Galactic Centre"),
        ("MSH15-52", "MSH 15-52"),
        ("MSH 15-5-02", "MSH 15-52"),
        ("HESS J1825–137", "HESS J1825-137"),
        ("LS I +61 303", "LS I +61 303"),
        ("PSR B1259-63/LS 2883", "PSR B1259-63"),
        ("Vela Jr.", "Vela Junior"),
        ("η Car", "Eta Carinae"),
    ],
)
def test_names_of_the_list(written: str, name: str) -> None:
    target = resolve(written)
    assert target.name == name
    assert target.source == "list"
    assert target.reference


def test_signs_of_declinations_are_not_confused() -> None:
    assert normalise("HESS J1825-137") != normalise("HESS J1825+137")


@pytest.mark.parametrize(("written", "meant"), [("Carb Nebula", "Crab Nebula"), ("HESS J1825", "HESS J1825-137")])
def test_a_misspelt_name_is_not_guessed(written: str, meant: str) -> None:
    with pytest.raises(UnknownTarget, match=f"Did you mean .*{meant}") as caught:
        resolve(written)
    assert "Sesame could not be asked" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sesame_is_asked_for_what_is_not_listed(sesame) -> None:
    sesame.on("/sesame/-ox/SNV", body=SESAME, content_type="text/xml")
    target = resolve("3C 273")  # near to 3C 279, which is listed, and not it
    assert target.position.separation(SkyCoord(187.27792, 2.05239, unit="deg")).arcsec < 1
    assert target.source == "sesame"
    assert "Simbad" in target.reference
    assert sesame.requests[0][1] == "/sesame/-ox/SNV?3C%20273"
    resolve("3C 273")
    assert len(sesame.requests) == 1


def test_what_sesame_does_not_know_is_unknown(sesame) -> None:
    sesame.on("/sesame/-ox/SNV", body=NOTHING, content_type="text/xml")
    with pytest.raises(UnknownTarget, match="Sesame does not know it"):
        resolve("no such star at all")


def test_a_silent_sesame_is_given_up(sesame, monkeypatch) -> None:
    sesame.never("/sesame/-ox/SNV")
    monkeypatch.setattr(resolver, "SESAME_TIMEOUT", 0.3)
    begin = time.monotonic()
    with pytest.raises(UnknownTarget, match="no answer"):
        resolve("3C 273")
    assert time.monotonic() - begin < 20


def test_a_host_look_up_that_hangs_is_given_up(monkeypatch) -> None:
    import threading

    over = threading.Event()
    monkeypatch.setattr(resolver, "SESAME_TIMEOUT", 0.2)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: over.wait(60))
    monkeypatch.setattr(resolver, "SESAME", "https://sesame.example/x")
    begin = time.monotonic()
    with pytest.raises(UnknownTarget, match="no answer within"):
        resolve("3C 273")
    assert time.monotonic() - begin < 30
    over.set()


@pytest.mark.parametrize(
    "body",
    ["<html>", '<!DOCTYPE x [<!ENTITY a "bbbb"><!ENTITY c "&a;&a;">]><Sesame>&c;</Sesame>', "", "\xff\xfe"],
)
def test_an_odd_answer_of_sesame_is_no_answer(sesame, body: str) -> None:
    sesame.on("/sesame/-ox/SNV", body=body, content_type="text/xml")
    with pytest.raises(UnknownTarget, match="could not be asked"):
        resolve("3C 273")


@pytest.mark.parametrize(
    ("text", "ra", "dec"),
    [
        ("83.63 22.01", 83.63, 22.01),
        ("83.63, +22.01", 83.63, 22.01),
        ("83.63d 22.01d", 83.63, 22.01),
        ("icrs 83.63 -22.01", 83.63, -22.01),
        ("05:34:31.9 +22:00:52", 83.6329, 22.0144),
        ("05:34:31.9+22:00:52", 83.6329, 22.0144),
        ("05 34 31.9 -00 30 00", 83.6329, -0.5),
        ("5h34m31.9s +22d00m52s", 83.6329, 22.0144),
        ("5h34m31.9s +22d", 83.6329, 22.0),
        ("05:34:31.9 −22:00:52 J2000", 83.6329, -22.0144),
        ("-10 5", 350.0, 5.0),
        ("359.94 -0.05 galactic", 266.4217, -29.0095),
        ("gal 184.5575 -5.7844", 83.6331, 22.0145),
    ],
)
def test_coordinates(text: str, ra: float, dec: float) -> None:
    target = resolve(text)
    assert target.source == "coordinates"
    assert target.position.separation(SkyCoord(ra, dec, unit="deg")).arcsec < 20


@pytest.mark.parametrize("text", ["30 Dor", "3C 273", "4U 0614+091", "1ES 1959+650", "M 87", "2155-304", "M 1"])
def test_names_with_digits_are_no_coordinates(text: str) -> None:
    assert parse_coordinates(text) is None


@pytest.mark.parametrize("text", ["83.63 122", "400 10", "25:00:00 +10:00:00", ""])
def test_what_is_not_on_the_sky_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"between|empty"):
        resolve(text)


@pytest.mark.parametrize("text", ["x" * 1000, "Crab\x00", "name\x1b[31m"])
def test_what_is_no_name_is_refused_and_not_sent_anywhere(sesame, text: str) -> None:
    with pytest.raises(UnknownTarget):
        resolve(text)
    assert sesame.requests == []
