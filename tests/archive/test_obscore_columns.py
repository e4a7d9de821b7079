"""The columns of ``ivoa.obscore`` against ObsCore 1.1: its appendix C.2, and section 4 for what may be NULL."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from astropy.coordinates import FK5, SkyCoord
from astropy.io import fits
from astropy.io.votable import parse
from gadf_files import aeff_hdu, events_hdu

from jupyter_uws.archive import add_store
from jupyter_uws.archive.database import read_archive
from jupyter_uws.archive.obscore import OBSCORE, publisher_did
from jupyter_uws.tap.engine import Engine
from jupyter_uws.tap.formats import find_format

#: Name, datatype (TAP 1.1's for ADQL's VARCHAR, CLOB, REGION, INTEGER, BIGINT, DOUBLE), unit, utype, UCD.
MANDATORY = """
dataproduct_type  char   -      ObsDataset.dataProductType                                    meta.code.class
calib_level       int    -      ObsDataset.calibLevel                                         meta.code;obs.calib
obs_collection    char   -      DataID.collection                                             meta.id
obs_id            char   -      DataID.observationID                                          meta.id
obs_publisher_did char   -      Curation.publisherDID                                         meta.ref.ivoid
access_url        char   -      Access.reference                                              meta.ref.url
access_format     char   -      Access.format                                                 meta.code.mime
access_estsize    long   kbyte  Access.size                                                   phys.size;meta.file
target_name       char   -      Target.name                                                   meta.id;src
s_ra              double deg    Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1 pos.eq.ra
s_dec             double deg    Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2 pos.eq.dec
s_fov             double deg    Char.SpatialAxis.Coverage.Bounds.Extent.diameter              phys.angSize;instr.fov
s_region          char   -      Char.SpatialAxis.Coverage.Support.Area                        pos.outline;obs.field
s_resolution      double arcsec Char.SpatialAxis.Resolution.Refval.value                      pos.angResolution
s_xel1            long   -      Char.SpatialAxis.numBins1                                     meta.number
s_xel2            long   -      Char.SpatialAxis.numBins2                                     meta.number
t_min             double d      Char.TimeAxis.Coverage.Bounds.Limits.StartTime                time.start;obs.exposure
t_max             double d      Char.TimeAxis.Coverage.Bounds.Limits.StopTime                 time.end;obs.exposure
t_exptime         double s      Char.TimeAxis.Coverage.Support.Extent                         time.duration;obs.exposure
t_resolution      double s      Char.TimeAxis.Resolution.Refval.value                         time.resolution
t_xel             long   -      Char.TimeAxis.numBins                                         meta.number
em_min            double m      Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit              em.wl;stat.min
em_max            double m      Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit              em.wl;stat.max
em_res_power      double -      Char.SpectralAxis.Resolution.ResolPower.refVal                spect.resolution
em_xel            long   -      Char.SpectralAxis.numBins                                     meta.number
o_ucd             char   -      Char.ObservableAxis.ucd                                       meta.ucd
pol_states        char   -      Char.PolarizationAxis.stateList                               meta.code;phys.polarization
pol_xel           long   -      Char.PolarizationAxis.numBins                                 meta.number
facility_name     char   -      Provenance.ObsConfig.Facility.name                            meta.id;instr.tel
instrument_name   char   -      Provenance.ObsConfig.Instrument.name                          meta.id;instr
"""  # noqa: E501
NOT_NULL = ("calib_level", "obs_collection", "obs_id", "obs_publisher_did")


def rows(archive: Path) -> list[dict[str, Any]]:
    with read_archive(archive) as con:
        result = con.execute("SELECT * FROM ivoa.obscore ORDER BY obs_publisher_did")
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def test_the_mandatory_columns_are_described_as_the_standard_does() -> None:
    wanted = [line.split() for line in MANDATORY.strip().splitlines()]
    ours = {column.name: column for column in OBSCORE.columns}
    assert len(wanted) == 30
    for name, datatype, unit, utype, ucd in wanted:
        column = ours[name]
        assert (column.datatype, column.unit or "-", column.utype, column.ucd) == (
            datatype, unit, f"obscore:{utype}", ucd
        )  # fmt: skip
        assert (column.arraysize == "*") == (datatype == "char")
        assert (column.principal, column.std) == (True, True)
    (optional,) = ours.keys() - {line[0] for line in wanted}
    assert ours[optional].utype == "obscore:ObsDataset.dataProductSubtype"
    assert not ours[optional].principal


def test_what_must_not_be_null_is_not_and_the_rest_has_values_of_the_standard(
    archive: Path, simulated: Path, tmp_path: Path
) -> None:
    add_store(tmp_path / "with.duckdb", simulated, responses=True)
    for row in rows(archive) + rows(tmp_path / "with.duckdb"):
        assert all(row[name] is not None for name in NOT_NULL)
        assert row["calib_level"] == 2
        # IVOA Identifiers 2.0: authority, path and query of characters that need no escape
        assert re.fullmatch(r"ivo://[a-z0-9][a-z0-9-]{2,}/[A-Za-z0-9._-]+\?[0-9]+(/[a-z]+)?", row["obs_publisher_did"])
        # events are not binned, their observables are all columns, and nothing is polarised (sections 4.19 to 4.21)
        assert [row[name] for name in ("s_xel1", "s_xel2", "t_xel", "em_xel")] == [-1] * 4
        assert (row["o_ucd"], row["pol_states"], row["pol_xel"]) == (None, None, 0)
        assert 0 < row["em_min"] < row["em_max"]
        assert row["t_min"] < row["t_max"]
        assert row["t_exptime"] <= (row["t_max"] - row["t_min"]) * 86400 + 1e-3


def test_a_collection_of_any_allowed_name_makes_a_valid_identifier() -> None:
    assert publisher_did("A.b_c-9", 7) == "ivo://jupyter-uws/A.b_c-9?7"


@pytest.mark.parametrize(
    ("ra", "dec", "region"),
    [
        (360.0, -20.0, "CIRCLE ICRS 0.000000 -20.000000 3"),  # longitudes are below 360 (DALI 1.1, section 3.3.6)
        (359.99999999, 0.0, "CIRCLE ICRS 0.000000 0.000000 3"),
        (0.0, 89.0, "CIRCLE ICRS 0.000000 89.000000 3"),
        (123.0, 90.0, "CIRCLE ICRS 123.000000 90.000000 3"),
        (359.5, -89.5, "CIRCLE ICRS 359.500000 -89.500000 3"),
    ],
)
def test_circles_at_the_wrap_and_over_a_pole(
    write_store: Callable[..., Path], tmp_path: Path, ra: float, dec: float, region: str
) -> None:
    files = {"s/1.fits": [events_hdu(1, RA_PNT=ra, DEC_PNT=dec), aeff_hdu()]}
    index = [(1, "events", "events", "", "1.fits", "EVENTS"), (1, "aeff", "aeff_2d", "", "1.fits", "AEFF")]
    assert add_store(tmp_path / "a.duckdb", write_store("s", files, index)).skipped == []
    (row,) = rows(tmp_path / "a.duckdb")
    assert (row["s_region"], row["s_fov"]) == (region, 6)
    assert 0 <= row["s_ra"] < 360
    assert SkyCoord(row["s_ra"], row["s_dec"], unit="deg").separation(SkyCoord(ra, dec, unit="deg")).deg < 1e-7


def test_a_frame_of_another_equinox_over_the_pole(write_store: Callable[..., Path], tmp_path: Path) -> None:
    there = SkyCoord(200, 89.95, unit="deg", frame="icrs").transform_to(FK5(equinox="J2050"))
    cards = {"RA_PNT": there.ra.deg, "DEC_PNT": there.dec.deg, "RADECSYS": "FK5", "EQUINOX": 2050.0}
    store = write_store("s", {"s/1.fits": [events_hdu(1, **cards)]}, [(1, "events", "events", "", "1.fits", "EVENTS")])
    add_store(tmp_path / "a.duckdb", store)
    (row,) = rows(tmp_path / "a.duckdb")
    found = SkyCoord(row["s_ra"], row["s_dec"], unit="deg")
    assert found.separation(SkyCoord(200, 89.95, unit="deg")).arcsec < 0.01


def test_the_exposure_is_the_live_time(archive: Path, simulated: Path) -> None:
    for row in rows(archive):
        header = fits.getheader(simulated / f"data/sim_dr1_obs_id_{row['obs_id']}.fits.gz", "EVENTS")
        assert row["t_exptime"] == header["LIVETIME"] < header["ONTIME"]


async def test_times_tell_their_scale(archive: Path, need: Callable[[str, str], str], tmp_path: Path) -> None:
    """VOTable 1.4, section 3.2: a FIELD of times refers to a TIMESYS; without one they would be taken for UTC."""
    engine, stilts = Engine(archive), need("stilts", "stilts")
    queries = {
        "SELECT * FROM ivoa.obscore": ("t_min", "t_max"),
        "SELECT t_max AS t, MIN(t_min) AS m, COUNT(*) AS n FROM ivoa.obscore GROUP BY t_max": ("t", "m"),
        "SELECT t_min FROM ivoa.obscore UNION SELECT t_max FROM ivoa.obscore": (),
        "SELECT t_min + 1 AS t, t_exptime FROM ivoa.obscore": (),
    }
    for query, times in queries.items():
        async with engine.query(query, maxrec=5) as result:
            pieces = [piece async for piece in result.written(find_format("votable").writer(result.fields, query))]
        table = tmp_path / "table.vot"
        table.write_bytes(b"".join(pieces))
        votable = parse(table, verify="exception")
        assert [field.name for field in votable.get_first_table().fields if field.ref == "TT"] == list(times), query
        systems = [(s.ID, s.timescale, s.refposition, s.timeorigin) for s in votable.iter_timesys()]
        assert systems == ([("TT", "TT", "TOPOCENTER", "MJD-origin")] if times else [])
        found = subprocess.run([stilts, "votlint", str(table)], capture_output=True, text=True, check=True, timeout=60)
        assert found.stdout + found.stderr == ""
    engine.close()
