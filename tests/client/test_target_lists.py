"""Searches for many targets at once on the real archive, and the lists that they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

from jupyter_uws.client import Archive, JobService, UnknownTarget
from jupyter_uws.client.targetlist import TARGETS, as_target_list

CRAB = SkyCoord(83.6331, 22.0145, unit="deg")
#: As ASPRO and other services of the JMMC write a list of targets: UCD 1, sexagesimal texts.
ASPRO = b"""<?xml version="1.0"?>
<VOTABLE version="1.1" xmlns="http://www.ivoa.net/xml/VOTable/v1.1"><RESOURCE><TABLE>
<FIELD name="LABEL" datatype="char" arraysize="*" ucd="ID_MAIN"/>
<FIELD name="a" datatype="char" arraysize="*" ucd="POS_EQ_RA_MAIN" unit="h:m:s"/>
<FIELD name="d" datatype="char" arraysize="*" ucd="POS_EQ_DEC_MAIN" unit="d:m:s"/>
<FIELD name="RA" datatype="double" ucd="PHOT_MAG"/>
<DATA><TABLEDATA>
<TR><TD>the Crab</TD><TD>05:34:31.94</TD><TD>+22:00:52.2</TD><TD>8</TD></TR>
<TR><TD>south</TD><TD>13 25 27.6</TD><TD>-43 01 09</TD><TD>7</TD></TR>
</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>
"""


def test_a_search_for_many(archive: Archive) -> None:
    near = CRAB.directional_offset_by(0 * u.deg, 0.5 * u.deg)
    runs = archive.search(targets=["Crab", near, "10 -80"], radius="2 deg")
    alone = archive.search("Crab")
    assert runs.colnames[:3] == ["target", "separation", "obs_id"]
    assert runs["separation"].unit == u.deg
    assert list(dict.fromkeys(runs["target"])) == ["Crab Nebula", near.to_string("hmsdms", precision=1)]
    first = runs[runs["target"] == "Crab Nebula"]
    assert list(first["obs_id"]) == list(alone["obs_id"])
    assert np.allclose(first["separation"], alone["separation"], atol=1e-9)
    assert len(runs) == 8
    assert runs.dids == alone.dids, "each once"
    assert runs.summary == alone.summary
    assert repr(runs).startswith("4 observations, 1.8 h livetime (SIM-DR1 4) within 2 deg of 2 of 3 targets\n")
    assert runs.target is None
    assert set(runs.datalink(5)["ID"]) == {runs["obs_publisher_did"][5]}
    assert repr(archive.search(targets=["10 -80"])).startswith("No observations found within 2 deg of 0 of 1 targets")


def test_with_other_constraints_and_limits(archive: Archive) -> None:
    alone = archive.search("Crab")
    runs = archive.search(targets=["Crab", "Cen A"], time=(float(alone["t_min"][2]), None), collection="SIM-DR1")
    assert list(runs["obs_id"]) == list(archive.search("Crab", time=(float(alone["t_min"][2]), None))["obs_id"])
    with pytest.warns(match="Only 1 of 4 rows"):
        assert len(archive.search(targets=["Crab"], maxrec=1)) == 1


def test_what_is_found_goes_on(archive: Archive, jobs: JobService, tmp_path: Path) -> None:
    """An observation that is near two targets is one run of a job, and one of a data store."""
    runs = archive.search(targets=["Crab", CRAB], radius=1)
    folder = runs.download(tmp_path / "store", progress=False)
    assert len(Table.read(folder / "obs-index.fits.gz")) == 4
    job = jobs.submit("quicklook", obs_ids=runs, position="Crab", run_id="both", execution_duration=60)
    assert len(job.parameters["obs_ids"]) == 4
    job.delete()


@pytest.mark.parametrize("suffix", ["vot", "fits", "ecsv", "csv", "tsv", "txt"])
def test_lists_in_files(archive: Archive, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"list.{suffix}"
    if suffix == "vot":
        path.write_bytes(ASPRO)
    else:
        table = Table({"Name": ["the Crab", "south"], "RAJ2000": [83.6331, 201.365], "DEJ2000": [22.0145, -43.0192]})
        kinds = {"csv": "ascii.csv", "tsv": "ascii.tab", "ecsv": "ascii.ecsv", "txt": "ascii.fixed_width_two_line"}
        table.write(path, format=kinds.get(suffix, "fits"))
        if suffix == "txt":
            path.write_text("Name RAJ2000 DEJ2000\n'the Crab' 5h34m31.94s 22d00m52.2s\nsouth 13:25:27.6 -43:01:09\n")
    found = as_target_list(str(path))
    assert found.names == ["the Crab", "south"]
    wanted = SkyCoord([83.6331, 201.365], [22.0145, -43.0192], unit="deg")
    assert np.all(found.positions.separation(wanted) < 0.2 * u.arcsec)
    assert set(archive.search(targets=path, radius="1 deg")["target"]) == {"the Crab"}


def test_tables(tmp_path: Path) -> None:
    hours = Table({"ra": [5.5] * u.hourangle, "dec": [22.0] * u.deg})
    assert as_target_list(hours).names == ["05h30m00.0s +22d00m00.0s"]
    assert as_target_list(Table({"source": ["Crab", "Mkn 421"]})).names == ["Crab Nebula", "Mrk 421"]
    assert len(as_target_list(SkyCoord([1, 2], [3, 4], unit="deg"))) == 2


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([], "has 0 targets, allowed are 1 to 10000"),
        (SkyCoord(np.zeros(TARGETS + 1), np.zeros(TARGETS + 1), unit="deg"), "has 10001 targets"),
        (["Crab", 3], r"targets\[1\]= must be a name"),
        (["Crab", "83 95"], "95"),
        (3, "must be a list, a table, a SkyCoord or the name of a file, not int"),
        ("list.doc", "a list of targets is a file with one of .vot"),
        ("nowhere.csv", "'nowhere.csv': there is no such file"),
        (Table({"x": [1]}), "no columns of right ascension and declination, and none of names: x"),
        (Table({"ra": [1.0, 2.0], "dec": [3.0, 93.0]}), "row 2: 2.0, 93.0 is no position"),
        (Table({"ra": ["5h", "about 6h"], "dec": [3.0, 4.0]}), "row 2: about 6h, 4.0 is no position"),
        (
            Table({"ra": MaskedColumn([1.0, 2.0], mask=[False, True]), "dec": [3.0, 4.0]}),
            "row 2: --, 4.0 is no position",
        ),
        (Table({"ra": [1.0] * u.m, "dec": [3.0]}), "column ra: m is no unit of an angle"),
    ],
)
def test_what_is_no_list(targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_target_list(targets)


def test_what_cannot_be_searched(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(UnknownTarget, match="The target 'Crba'"):
        archive.search(targets=["Mkn 421", "Crba"])
    with pytest.raises(ValueError, match="one is given as well"):
        archive.search("Crab", targets=["Crab"])
    broken = tmp_path / "a.vot"
    broken.write_text("<VOTABLE>")
    with pytest.raises(ValueError, match="cannot be read as votable"):
        archive.search(targets=broken)
