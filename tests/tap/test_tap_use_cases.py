"""The use cases of the IVOA note on the high-energy extension of ObsCore, as its text has them.

Where a query of the note is malformed, the refusal says how, and the mended one runs.
"""

# ruff: noqa: S608
from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_uws.tap.adql import translate
from jupyter_uws.tap.errors import ADQLError
from jupyter_uws.tap.snapshot import Snapshot

JOIN = "NATURAL JOIN ivoa.obscore_hea"
CONE = "CONTAINS(POINT(s_ra, s_dec), CIRCLE({})) = 1"

CORE = {
    "event lists around Sgr A*": f"(target_name = 'Sgr A*' OR {CONE.format('266.4168, -29.0078, 0.5')})"
    " AND (dataproduct_type = 'hea-event-list')",
    "bundles of Cas A by DataLink": f"(target_name = 'Cas A' OR {CONE.format('350.8584, +58.8113, 0.042')})"
    " AND (dataproduct_type = 'hea-event-list') AND (obs_collection = 'VERITAS-DR1')"
    " AND (access_format = 'application/x-votable+xml;content=datalink')",
    "response functions for a point spread function": f"({CONE.format('83.84358, -5.43639, 0.033333')})"
    " AND (dataproduct_type = 'response-function') AND (dataproduct_subtype = 'psf') AND (obs_id = '4374')"
    " AND (obs_collection = 'CSC2')",
    "all responses of an observation": "(dataproduct_type = 'aeff' OR dataproduct_type = 'edisp'"
    " OR dataproduct_type = 'psf' OR dataproduct_type = 'bkgrate') AND (obs_id = '4374')"
    " AND (obs_collection = 'CTAO-DR1')",
    "neutrinos from a point source": "(CONTAINS(POINT('ICRS', 98.24, 5.81), CIRCLE('ICRS', s_ra, s_dec, s_fov)) = 1)"
    " AND (dataproduct_type IN ('hea-event-bundle', 'hea-event-list', \n'response-function'))"
    " AND (obs_collection = 'ANTARES-2017-PS')",
    "draws of position errors": f"({CONE.format('54.036061, +61.907633, 0.0013888')}) AND (dataproduct_type = 'draws')"
    " AND (dataproduct_subtype = 'poserr') AND (obs_collection = 'CSC2')",
    "flux maps between two observations": "((dataproduct_type = 'image') OR (dataproduct_subtype = 'fluxmap'))"
    " AND (obs_collection = 'CTAO-DR1') AND (instrument_name LIKE 'CTAO-N')"
    " AND (CAST(obs_id AS INTEGER) > 4374) AND (CAST(obs_id AS INTEGER) <= 4379)",
    "light curves of a year": "(dataproduct_type = 'light-curve') AND (obs_collection = 'CTAO-DR1'\n"
    "AND (t_min >= 62502) AND (t_max <= 62866) AND target_name = 'PKS 2155-304')",
}
EXTENSION = {
    "very good events of the Cygnus loop": "(INTERSECTS(s_region, CIRCLE(312.775, 30.683, 1.5)) = 1)"
    " AND (dataproduct_type = 'hea-event-list' OR dataproduct_type = 'aeff' OR dataproduct_type = 'edisp'"
    " OR dataproduct_type = 'psf' OR dataproduct_type = 'bkgrate') AND (obs_collection = 'SWGO-DR1')"
    " AND (event_type = 'very-good')",
    "bundles of Cas A with a million events": f"(target_name = 'Cas A' OR {CONE.format('350.8584, +58.8113, 0.16667')})"
    " AND (dataproduct_type = 'hea-event-bundle') AND (ev_xel >= 1000000)",
    "events beyond 10 TeV": "(dataproduct_type = 'hea-event-list') AND (obs_collection = 'CTAO-DR1')"
    " AND (access_format = 'application/x-votable+xml;content=datalink') AND (instrument_name LIKE 'CTAO-S')"
    " AND (energy_max >= 1.0e+12)",
    "sources of tau neutrinos": "(dataproduct_type = 'response-function') AND (dataproduct_subtype = 'aeff')"
    " AND (messenger_pdgid = '-16' OR messenger_pdgid = '+16') AND (obs_mode LIKE '%wide-array%')"
    " AND (analysis_mode LIKE '%pointsource%')",
    # mended
    "polarimetry of the Crab": "(target_name = 'Crab' OR target_name = 'M1' OR"
    f" {CONE.format('83.6324, +22.0174, 0.083333')}) AND (dataproduct_type = 'hea-event-bundle')"
    " AND (calib_level >= 2) AND (em_res_power > 100) AND (energy_min < 100000.0) AND (energy_max >= 1000.0)"
    " AND (o_ucd LIKE '%phys.polarization%') AND (o_ucd LIKE '%pos.eq%')",
    "responses for a sensitivity study": "(CONTAINS(POINT('ICRS', 0.8, -45.19),"
    " CIRCLE('ICRS', s_ra, s_dec, s_fov)) = 1) AND (dataproduct_type = 'response-function')"
    " AND (facility_name = 'KM3NeT') AND (instrument_name LIKE '%ARCA%')"
    " AND (t_max >= 61406) AND (t_min <= 62870) AND (event_type = 'track') AND (analysis_mode = 'pointsource')",
    "neutrinos of the galactic plane": "(dataproduct_type = 'hea-event-bundle') AND (messenger_name = 'neutrino')"
    " AND (analysis_mode = 'diffuse') AND 1 = INTERSECTS(CIRCLE('ICRS', s_ra, s_dec, 80),\n"
    "    BOX('GALACTIC', 0, 0, 30, 2))",
}
MALFORMED = {
    "a column that only some services have": ("em_calib_status = 'calibrated'", "there is no column em_calib_status"),
    "a dot for an underscore": ("(o_ucd LIKE '%a%') AND (o.ucd LIKE '%pos.eq%')", "column .*: o is no table of FROM"),
    "typographic quotes": ("(access_format = ’datalink’)", "typographic quotes are not ADQL"),
    "a parenthesis too many": ("(dataproduct_type = 'a')) AND (facility_name = 'KM3NeT')", "parentheses do not match"),
    "a column of another name": ("(messenger = 'neutrino')", "there is no column messenger"),
    "a function that ADQL does not have": (
        "(INTERSECTS(TMOC(27, s_region), TMOC(27, 56320.0, 56325.0)) = 1)",
        "INTERSECTS takes POINT, CIRCLE, BOX, POLYGON, REGION, or a column of regions, here",
    ),
}


@pytest.fixture(scope="module")
def snapshot(sim_archive: Path) -> Snapshot:
    return Snapshot(sim_archive, threads=1, memory=200 * 2**20)


def run(snapshot: Snapshot, conditions: str, join: str) -> None:
    text = f"SELECT * FROM ivoa.obscore\n{join}\nWHERE\n{conditions}"
    query = translate(text, snapshot.tables)
    rows = snapshot.cursor({}).sql(query.sql).fetchall()
    assert len(rows) < 100


def has_extension(snapshot: Snapshot) -> bool:
    return "ivoa.obscore_hea" in snapshot.tables


@pytest.mark.parametrize("case", CORE)
def test_of_obscore(snapshot: Snapshot, case: str) -> None:
    run(snapshot, CORE[case], JOIN if has_extension(snapshot) else "")


@pytest.mark.parametrize("case", EXTENSION)
def test_of_the_extension(snapshot: Snapshot, case: str) -> None:
    if not has_extension(snapshot):
        pytest.skip("the archive has no table ivoa.obscore_hea")
    run(snapshot, EXTENSION[case], JOIN)


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(snapshot: Snapshot, case: str) -> None:
    conditions, message = MALFORMED[case]
    with pytest.raises(ADQLError, match=message):
        run(snapshot, conditions, "")


def test_they_find_something_where_there_is_something(snapshot: Snapshot) -> None:
    """The same questions about the simulated sources."""
    text = (
        "SELECT obs_id FROM ivoa.obscore WHERE (target_name = 'none'"
        " OR CONTAINS(POINT(s_ra, s_dec), CIRCLE({}, {}, 2)) = 1)"
        " AND CAST(obs_id AS INTEGER) >= 0 AND 1 = CONTAINS(POINT({}, {}), s_region)"
    )
    cursor = snapshot.cursor({})
    ra, dec = cursor.sql(translate("SELECT TOP 1 s_ra, s_dec FROM ivoa.obscore", snapshot.tables).sql).fetchall()[0]
    assert cursor.sql(translate(text.format(ra, dec, ra, dec), snapshot.tables).sql).fetchall()
