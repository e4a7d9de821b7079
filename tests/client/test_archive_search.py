"""Searches on the real archive (simulated data), and what their tables tell and draw."""

from __future__ import annotations

import subprocess
import sys
import warnings
from datetime import date, datetime

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time

from jupyter_uws.client import Archive, ObservationTable, QueryError, ServiceError, UnknownTarget
from jupyter_uws.client.adql import COLUMNS, HC_TEV_M, quoted
from jupyter_uws.client.archive import TruncatedResult
from jupyter_uws.client.votable import read_votable


def test_by_name(archive: Archive) -> None:
    runs = archive.search("Crab")
    assert len(runs) == 4
    assert isinstance(runs, ObservationTable)
    assert runs.colnames[:3] == ["obs_id", "target_name", "separation"]
    assert set(runs["target_name"]) == {"Sim Crab"}
    assert np.all(runs["separation"] < 0.6)
    assert np.all(np.diff(runs["t_min"]) > 0)
    assert runs["start"][0] == "2023-11-02 01:10:51"  # UTC: t_min is 69 s ahead, in TT
    assert runs["energy_min"].unit == u.TeV
    assert np.allclose(runs["energy_max"], HC_TEV_M / runs["em_min"])
    assert runs.summary.collections == {"SIM-DR1": 4}
    assert runs.summary.livetime == pytest.approx(1.83, abs=0.1)
    assert "4 observations, 1.8 h livetime (SIM-DR1 4) within 2 deg of Crab Nebula" in repr(runs)


def test_a_part_of_a_table_still_knows_its_target(archive: Archive) -> None:
    part = archive.search("Crab")[:2]
    assert isinstance(part, ObservationTable)
    assert part.target is not None
    assert part.target.name == "Crab Nebula"
    assert part.summary.count == 2


def test_by_position_and_radius(archive: Archive) -> None:
    crab = SkyCoord(83.6331, 22.0145, unit="deg")
    assert len(archive.search(crab, radius=1 * u.deg)) == 4
    assert len(archive.search(position="184.56 -5.78 galactic", radius="60 arcmin")) == 4
    assert len(archive.search("83.63 22.01", radius=0.01)) == 0
    assert len(archive.search("(83.63deg, 22.01deg)")) == 4
    assert len(archive.search(position="Crab")) == 4
    runs = archive.search(SkyCoord([184.56], [-5.78], unit="deg", frame="galactic"))
    assert runs.target is not None
    assert runs.target.name.startswith("05h34m33")  # a right ascension, whatever frame was given


def test_by_time(archive: Archive) -> None:
    runs = archive.search("Crab")
    first, second = runs.start[0], runs.start[1]
    assert list(archive.search("Crab", time=(first, first + 60 * u.s))["obs_id"]) == [runs["obs_id"][0]]
    assert len(archive.search("Crab", time=(second.utc.isot, None))) == 3
    assert len(archive.search("Crab", time=(None, first - 1 * u.s))) == 0
    # plain numbers are MJD in UTC, ObsCore's in TT: 69 s later by the clock
    stop = Time(float(runs["t_max"][0]), format="mjd", scale="tt")
    assert len(archive.search("Crab", time=(None, float(runs["t_min"][0]) - 30 / 86400))) == 1
    assert len(archive.search("Crab", time=(stop.utc.mjd, stop.utc.mjd))) == 1


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        ("2023-11-02", "2023-11-03"),
        ("2023-11", "2023-12"),
        ("2023", "2024"),
        ("60250", np.int64(60251)),
        (np.float32(60250), datetime(2023, 11, 3)),
        (date(2023, 11, 2), np.datetime64("2023-11-03")),
        ("2023-11-02T00:00:00Z", "2023-11-03T01:00:00+01:00"),
    ],
)
def test_times_as_observers_write_them(archive: Archive, start: object, stop: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(archive.search("Crab", time=(start, stop))) == 4
        assert len(archive.search("Crab", time=(None, start))) == 0
        assert len(archive.search("Crab", time=(stop, None))) == 0


def test_by_energy(archive: Archive) -> None:
    everything = archive.search()
    lowest = float(everything["energy_min"].min())
    assert len(archive.search(energy=("1 TeV", 10 * u.TeV))) == len(everything)
    assert len(archive.search(energy=(None, lowest * 0.9 * u.TeV))) == 0
    assert len(archive.search(energy=(1e6 * u.TeV, None))) == 0


def test_by_columns(archive: Archive) -> None:
    runs = archive.search("Crab")
    assert len(archive.search(obs_ids=runs)) == 4
    assert len(archive.search(obs_ids=list(runs["obs_publisher_did"][:2]))) == 2
    assert len(archive.search(obs_ids=int(runs["obs_id"][0]))) == 1
    assert len(archive.search(obs_ids=[runs["obs_publisher_did"][0], int(runs["obs_id"][1])])) == 2
    assert len(archive.search(target_name=5)) == 0  # not a comparison of text with a number
    assert len(archive.search(collection="SIM-DR1", target_name=["Sim Crab", "nobody"])) == 4
    nothing = archive.search(collection=["no such"])
    assert repr(nothing) == "No observations found: the collections of the archive are SIM-DR1."
    assert len(archive.search("Crab", product_type="image")) == 0
    assert len(archive.search("Crab", product_type=None)) == 4


def test_an_empty_search_is_an_empty_table_that_says_so(archive: Archive) -> None:
    runs = archive.search("Mrk 421")
    assert len(runs) == 0
    assert set(COLUMNS) < set(runs.colnames)
    assert "No observations found within 2 deg of Mrk 421" in repr(runs)
    assert "No observations found within 2 deg of Mrk 421" in runs._repr_html_()
    assert runs.summary.count == 0
    assert runs.plot_sky().get_title() == "No observations"


def test_truncation_is_told_with_the_true_count(archive: Archive) -> None:
    with pytest.warns(TruncatedResult, match="Only 3 of 28 rows"):
        runs = archive.search(maxrec=3)
    assert len(runs) == 3
    assert runs.summary.total == 28
    assert "3 of 28 observations" in repr(runs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(archive.search(maxrec=28)) == 28


def test_values_cannot_leave_their_literal(archive: Archive) -> None:
    assert quoted("O'Neill' OR '1'='1") == "'O''Neill'' OR ''1''=''1'"
    assert len(archive.search(target_name="x' OR '1'='1")) == 0
    assert len(archive.search(collection="'; DROP TABLE ivoa.obscore; --")) == 0
    assert len(archive.search("Crab")) == 4


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"target": "Crab", "position": "1 2"}, "twice"),
        ({"target": 83.6}, "target= must be a name, .* not float"),
        ({"target": "Crab", "radius": "2 TeV"}, "radius=2 TeV cannot be converted to deg"),
        ({"target": "Crab", "radius": "two"}, "radius='two'"),
        ({"target": "Crab", "radius": -1}, "above 0"),
        ({"position": (83.6, 22.0)}, "not tuple"),
        ({"target": SkyCoord([1, 2], [3, 4], unit="deg")}, "one position, not 2"),
        ({"energy": ("1", "10 TeV")}, "energy='1' needs a unit"),
        ({"energy": ("1 s", None)}, "energy=1 s cannot be converted"),
        ({"energy": "1 TeV"}, "pair"),
        ({"energy": ("10 TeV", "1 TeV")}, "lower energy comes first"),
        ({"energy": ("0 TeV", "1 TeV")}, "above 0"),
        ({"time": ("yesterday", None)}, "time='yesterday' is not a time"),
        ({"time": (60000, 50000)}, "earlier time comes first"),
        ({"time": 60000}, "pair"),
        ({"time": (2004, 2005)}, "time=2004: a plain number is an MJD"),
        ({"time": (2453343.5, None)}, "a plain number is an MJD"),
        ({"time": ({}, None)}, "time={} is not a time"),
        ({"time": (True, None)}, "time=True is not a time"),
        ({"time": (Time(["2004-12-04", "2004-12-05"]), None)}, "is not a time"),
        ({"target_nam": "Crab"}, "'target_nam' is no parameter .* did you mean target_name"),
        ({"radus": 2}, "did you mean radius"),
        ({"energy_min": "1 TeV"}, "did you mean energy"),
        ({"date": "2004"}, "a search takes target, radius, .* and columns of ObsCore"),
        ({"calib_level": "two"}, "calib_level='two' must be a number"),
        ({"collection": []}, "collection= is an empty list"),
        ({"obs_ids": []}, "obs_ids= is an empty list"),
        ({"obs_ids": 1.5}, "obs_ids=1.5 must be"),
        ({"target_name": []}, "empty list"),
        ({"target_name": "a\x00b"}, "cannot be searched"),
        ({"calib_level": True}, "calib_level=True must be a number"),
        ({"maxrec": -1}, "maxrec=-1"),
        ({"maxrec": "5"}, "maxrec='5' must be a whole number"),
    ],
)
def test_bad_constraints_are_named(archive: Archive, constraints: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        archive.search(**constraints)


def test_an_unknown_target_is_not_searched_for(archive: Archive) -> None:
    with pytest.raises(UnknownTarget, match="Did you mean Crab Nebula"):
        archive.search("Carb Nebula")


def test_a_name_that_only_observers_used_is_pointed_out(archive: Archive) -> None:
    with pytest.raises(UnknownTarget, match="target_name='Sim AGN'"):
        archive.search("sim agn")


def test_a_table_shows_what_is_looked_at_first(archive: Archive) -> None:
    text, html = str(archive.search("Crab")), archive.search()._repr_html_()
    assert text.splitlines()[1].split()[-2:] == ["s_ra", "s_dec"]
    assert "2023-11-02 01:10:51" in text
    assert "float64" not in text + html
    assert "and the columns t_min, t_max" in html


def test_adql(archive: Archive) -> None:
    table = archive.adql("SELECT obs_collection, COUNT(*) AS n FROM ivoa.obscore GROUP BY obs_collection")
    assert type(table) is Table
    assert dict(zip(table["obs_collection"], table["n"], strict=True)) == {"SIM-DR1": 28}
    with pytest.warns(TruncatedResult):
        assert len(archive.adql("SELECT obs_id FROM ivoa.obscore", maxrec=2)) == 2


@pytest.mark.parametrize("query", ["SELEC 1", "SELECT * FROM no_such_table", "SELECT nothing FROM ivoa.obscore", " "])
def test_malformed_adql_is_one_sentence(archive: Archive, query: str) -> None:
    with pytest.raises(QueryError) as caught:
        archive.adql(query)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_pyvo_takes_the_same_service(archive: Archive) -> None:
    assert len(archive.tap.search("SELECT obs_id FROM ivoa.obscore WHERE target_name = 'Sim Crab'")) == 4


def test_an_error_within_a_good_answer_is_an_error() -> None:
    body = b"""<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
    <RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">out of\n luck</INFO></RESOURCE></VOTABLE>"""
    with pytest.raises(QueryError, match="out of luck"):
        read_votable(body)
    with pytest.raises(ServiceError, match="not a VOTable"):
        read_votable(b"<html>")


def table_at(*pointings: tuple[float, float]) -> ObservationTable:
    table = ObservationTable({name: [""] * len(pointings) for name in ("obs_id", "obs_collection")})
    table["s_ra"] = [ra for ra, _ in pointings]
    table["s_dec"] = [dec for _, dec in pointings]
    table["s_fov"] = 5.0
    table["t_exptime"] = 1680.0
    return table


@pytest.mark.parametrize(
    "pointings",
    [
        [(359.5, 10.0), (0.5, 10.0)],
        [(0.0, 89.5), (180.0, 89.5)],
        [(83.6, -90.0)],
        [(0.0, 0.0), (180.0, 0.0)],
        [(10.0 * (i % 36), -80.0 + 0.16 * i) for i in range(1000)],
    ],
)
def test_pointings_are_drawn_anywhere_on_the_sky(pointings) -> None:
    import matplotlib.pyplot as plt

    ax = table_at(*pointings).plot_sky()
    ax.figure.canvas.draw()
    width, height = ax.get_xlim()[1], ax.get_ylim()[1]
    marks = np.concatenate([line.get_xydata() for line in ax.lines])
    assert np.all((marks >= -0.5) & (marks <= [width, height]))
    plt.close(ax.figure)


def test_around_a_pole_the_parallels_are_named_on_the_map() -> None:
    import matplotlib.pyplot as plt

    ax = table_at((0.0, -88.0), (120.0, -89.0)).plot_sky()
    ax.figure.canvas.draw()
    assert {"−88°", "−86°"} < {text.get_text() for text in ax.texts}
    for text in ax.texts:
        _, declination = ax.wcs.all_pix2world([text.get_position()], 0)[0]
        assert f"−{-declination:g}°".startswith(text.get_text()[:3])
    plt.close(ax.figure)
    ax = table_at((83.6, 22.0)).plot_sky()
    assert not ax.texts
    plt.close(ax.figure)


def test_right_ascension_increases_to_the_left() -> None:
    import matplotlib.pyplot as plt

    ax = table_at((359.5, 10.0), (0.5, 10.0)).plot_sky()
    (pointings,) = ax.lines
    order = np.argsort(ax.wcs.all_pix2world(pointings.get_xydata(), 0)[:, 0])
    assert pointings.get_xdata()[order[0]] == pytest.approx(pointings.get_xdata().min())  # 0.5 deg is east of 359.5
    plt.close(ax.figure)


def test_fields_of_view_have_their_true_size() -> None:
    import matplotlib.pyplot as plt

    ax = table_at((83.6, 22.0)).plot_sky()
    (circle,) = ax.collections[0].get_segments()
    edge = SkyCoord(*ax.wcs.all_pix2world(circle, 0).T, unit="deg")
    assert np.allclose(edge.separation(SkyCoord(83.6, 22.0, unit="deg")).deg, 2.5, atol=1e-3)
    plt.close(ax.figure)


def test_the_client_comes_without_what_it_does_not_need_yet() -> None:
    code = (
        "import sys, jupyter_uws; assert 'astropy' not in sys.modules and 'requests' not in sys.modules;"
        "from jupyter_uws import Archive, JobService;"
        "loaded = {'pyvo', 'gammapy', 'matplotlib', 'distributed', 'tornado', 'IPython'} & set(sys.modules);"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
