"""TAP over real HTTP, with the clients that observers use."""

from __future__ import annotations

import numpy as np
import pyvo
from astropy import units as u
from astropy.coordinates import SkyCoord
from tap_server import Server


def test_pyvo_searches_a_cone(server: Server) -> None:
    service = pyvo.dal.TAPService(server.url)
    found = service.search(
        "SELECT obs_id, s_ra, s_dec, access_url FROM ivoa.obscore"
        " WHERE 1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', 83.63, 22.01, 10)) ORDER BY obs_id"
    ).to_table()
    everything = service.search("SELECT obs_id, s_ra, s_dec FROM ivoa.obscore").to_table()
    here = SkyCoord(everything["s_ra"], everything["s_dec"])
    near = everything[here.separation(SkyCoord(83.63 * u.deg, 22.01 * u.deg)) <= 10 * u.deg]
    assert len(near) > 2
    assert sorted(found["obs_id"]) == sorted(near["obs_id"])
    assert found["s_ra"].unit == u.deg
    assert all(np.char.startswith(found["access_url"].astype(str), server.url.removesuffix("tap") + "files/"))
