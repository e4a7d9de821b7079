"""The high-energy extension of ObsCore, and the footprints: values from the data."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import EarthLocation, SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.utils import iers
from gadf_files import aeff_hdu, events_hdu

from jupyter_uws.archive import add_store
from jupyter_uws.archive.database import read_archive
from jupyter_uws.archive.obscore import OBSCORE, OBSCORE_HEA
from jupyter_uws.archive.timemoc import ORDER, time_moc
from jupyter_uws.tap.engine import Engine
from jupyter_uws.tap.formats import find_format
from jupyter_uws.tap.schema import read_tap_schema

JOIN = "SELECT * FROM ivoa.obscore NATURAL JOIN ivoa.obscore_hea ORDER BY obs_publisher_did"


def joined(archive: Path) -> list[dict[str, Any]]:
    with read_archive(archive) as con:
        result = con.execute(JOIN)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def test_one_row_for_each_run_joined_by_its_identifier_alone(archive: Path, simulated: Path) -> None:
    shared = {column.name for column in OBSCORE.columns} & {column.name for column in OBSCORE_HEA.columns}
    assert shared == {"obs_publisher_did"}
    rows = joined(archive)
    assert len(rows) == 28
    row = rows[0]
    assert (row["obs_id"], row["messenger_name"], row["messenger_pdgid"]) == ("100001", "photon", "+22")
    assert (row["energy_min"], row["energy_max"]) == pytest.approx((0.5e12, 100e12))
    assert (row["s_ref_energy"], row["s_ref_oaa"], row["em_ref_energy"], row["em_ref_oaa"]) == (1e12, 0.5, 1e12, 0.5)
    assert row["em_max"] * row["energy_min"] == pytest.approx(1.239841984332e-6)
    with fits.open(simulated / "data/sim_dr1_obs_id_100001.fits.gz") as hdus:
        assert row["ev_xel"] == len(hdus["EVENTS"].data)
    assert (row["obs_mode"], row["event_type"], row["scan_mode"]) == ("POINTING", "std", None)


def test_the_table_is_described(archive: Path) -> None:
    with read_archive(archive) as con:
        described = read_tap_schema(con)["ivoa.obscore_hea"]
        types = {name: kind for name, kind, *_ in con.execute("DESCRIBE ivoa.obscore_hea").fetchall()}
    assert described.columns == OBSCORE_HEA.columns
    duck = {"char": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "double": "DOUBLE"}
    assert types == {column.name: duck[column.datatype] for column in described.columns}
    for column in described.columns:
        assert column.ucd, column.name
        assert column.description, column.name
    assert {c.name: c.unit for c in described.columns if c.unit} == {
        "s_ref_energy": "eV", "em_ref_energy": "eV", "s_ref_oaa": "deg", "em_ref_oaa": "deg",
        "energy_min": "eV", "energy_max": "eV",
    }  # fmt: skip


def cells_of(moc: str) -> list[tuple[int, int]]:
    """The beginning and the size of each cell of a time MOC in microseconds, in the order of time.

    They are read in another way than they are written: by the grammar.
    """
    assert moc.startswith("t")
    order, cells = 0, []
    words = moc[1:].split()
    assert any(word.startswith(f"{ORDER}/") for word in words)  # told even where there are no cells of it
    for word in words:
        if "/" in word:
            order, word = int(word.split("/")[0]), word.split("/")[1]
        first, _, last = word.partition("-")
        if first:
            size = 2 ** (61 - order)
            cells += [(number * size, size) for number in range(int(first), int(last or first) + 1)]
    return sorted(cells)


def test_the_time_moc_covers_the_good_times(archive: Path) -> None:
    """In TCB at the barycentre, as astropy has it for an observer at the site."""
    apart = []
    for row in joined(archive):
        cells = cells_of(row["t_intervals"])
        assert all(first + size == begin for (first, size), (begin, _) in pairwise(cells))
        source = SkyCoord(row["s_ra"], row["s_dec"], unit="deg")
        for mjd, edge in ((row["t_min"], cells[0][0]), (row["t_max"], sum(cells[-1]))):
            here = Time(mjd, format="mjd", scale="tt", location=EarthLocation.from_geodetic(-70.3, -24.7, 2147))
            with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
                delay = here.light_travel_time(source)
            apart.append(abs(delay.to_value("s")))
            there = (here.tdb + delay).tcb
            assert abs((there.jd1 * 86400e6 - edge) + there.jd2 * 86400e6) <= 1.1e6
    assert max(apart) > 200


def test_the_order_of_a_time_moc_is_told() -> None:
    day = (2460000.0, 0.0)
    width = 2 ** (61 - ORDER) / 86400e6
    start = (
        day[0],
        (-(day[0] * 86400e6) % 2 ** (61 - ORDER + 3)) / 86400e6,
    )  # where a cell of three orders more begins
    assert re.fullmatch(rf"t{ORDER - 3}/[0-9]+ {ORDER}/", time_moc([(start, (start[0], start[1] + 7.5 * width))]))
    assert re.fullmatch(rf"t{ORDER}/[0-9]+", time_moc([(start, (start[0], start[1] + 0.5 * width))]))


def test_time_mocs_hold_what_they_should_and_nothing_twice() -> None:
    rng = np.random.default_rng(1)
    cell = 2 ** (61 - ORDER)
    for _ in range(50):
        edges = np.sort(rng.integers(0, 5000, 6)) + int(2.46e6 * 86400e6 / cell)
        wanted: set[int] = set()
        intervals = []
        for first, last in edges.reshape(3, 2).tolist():
            wanted.update(range(first, last + 1))
            days = [
                ((value * cell) // 86_400_000_000, ((value * cell + cell // 2) % 86_400_000_000))
                for value in (first, last)
            ]
            intervals.append(tuple((float(day), rest / 86_400_000_000) for day, rest in days))
        moc = time_moc(intervals)  # type: ignore[arg-type]
        cells = cells_of(moc)
        covered = [value for first, size in cells for value in range(first // cell, (first + size) // cell)]
        assert len(covered) == len(set(covered))
        # two halves of a larger cell are written as that cell (section 7.1)
        assert not any((first ^ size, size) in cells for first, size in cells)
        assert set(covered) == wanted
    assert time_moc([]) == ""


def test_the_footprint_is_where_the_effective_area_and_the_selection_are(write_store: Any, tmp_path: Path) -> None:
    def store(name: str, effective_area: list[float], **cards: Any) -> dict[str, Any]:
        hdu = aeff_hdu()
        hdu.data["EFFAREA"] = np.array([effective_area], "f4")
        files = {f"{name}/1.fits": [events_hdu(1, **cards), hdu]}
        rows = [(1, "events", "events", "", "1.fits", "EVENTS"), (1, "aeff", "aeff_2d", "", "1.fits", "AEFF")]
        archive = tmp_path / f"{name}.duckdb"
        assert add_store(archive, write_store(name, files, rows)).skipped == []
        (row,) = joined(archive)
        return row

    everywhere = [1.0, 1.0, 1.0, 1.0]
    assert store("all", everywhere)["s_region"] == "CIRCLE ICRS 10.000000 -20.000000 3"
    inner = store("inner", [1.0, 1.0, 0.0, 0.0])  # nothing is seen from 1 to 3 deg
    assert (inner["s_region"], inner["s_fov"]) == ("CIRCLE ICRS 10.000000 -20.000000 1", 2)
    assert store("none", [0.0] * 4)["s_fov"] == 6
    selected = {"DSTYP1": "TIME(TT)", "DSTYP2": "POS(RA,DEC)", "DSVAL2": "CIRCLE(10.0,-20.0,2.5)"}
    assert store("selected", everywhere, **selected)["s_region"] == "CIRCLE ICRS 10.000000 -20.000000 2.5"
    assert store("away", everywhere, **{**selected, "DSVAL2": "CIRCLE(15,-20,2)"})["s_fov"] == 6
    assert store("odd", everywhere, **{**selected, "DSVAL2": "CIRCLE(x)"})["s_fov"] == 6


async def test_it_is_joined_in_adql(archive: Path) -> None:
    engine = Engine(archive)
    query = (
        "SELECT obs_id, energy_min FROM ivoa.obscore NATURAL JOIN ivoa.obscore_hea"
        " WHERE energy_min < 1e12 AND dataproduct_type = 'event'"
        " AND INTERSECTS(s_region, CIRCLE(83.63, 22.01, 0.5)) = 1 ORDER BY obs_id"
    )
    async with engine.query(query, maxrec=100) as result:
        writer = find_format("csv").writer(result.fields, query)
        found = [piece async for piece in result.written(writer)]
    assert result.rows == 4, found
    assert [field.unit for field in result.fields] == [None, "eV"]
    engine.close()
