"""Rows on the sky with which it is hard to find the right ones, and circles to look for them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import settings
from hypothesis import strategies as st

from jupyter_uws.tap.schema import Column, Table

N = 700
SKY = Table(
    "test.sky",
    (
        Column("i", "int"), Column("s_ra", "double", ucd="pos.eq.ra;meta.main"),
        Column("s_dec", "double", ucd="pos.eq.dec;meta.main"), Column("r", "double"),
        Column("s_region", "char", arraysize="*", xtype="adql:REGION"),
    ),
)  # fmt: skip
FEW = settings(max_examples=15, deadline=None, derandomize=True)

lons = st.one_of(st.floats(-10, 370), st.sampled_from([0.0, 360.0, 359.9999999, 1e-9, -0.5, 180.0]))
lats = st.one_of(st.floats(-90, 90), st.sampled_from([90.0, -90.0, 89.9999, -89.9999, 0.0, 20.0]))
radii = st.one_of(
    st.floats(0, 25), st.sampled_from([0.0, 1e-9, 0.1, 1.0, 5.0, 19.9, 20.0, 45.0, 90.0, 180.0, 200.0, -1.0])
)


def sky_rows() -> pa.Table:
    """Rows at the poles, at the wrap, and everywhere; regions of all kinds beside them; nulls."""
    rng = np.random.default_rng(20261125)
    ra, dec = rng.uniform(0, 360, N), np.degrees(np.arcsin(rng.uniform(-1, 1, N)))
    ra[:100] = rng.choice([0.0, 360.0, 359.9999999, 1e-9, 0.3, 359.5], 100)
    dec[60:160] = rng.choice([90.0, -90.0, 89.9999, 88.5, -89.5, 20.0], 100)
    # a region lies up to two degrees from its row's position
    away = SkyCoord(ra * u.deg, dec * u.deg).directional_offset_by(
        rng.uniform(0, 360, N) * u.deg, rng.uniform(0, 2, N) * u.deg
    )
    corners = [
        away.directional_offset_by(turn * u.deg, size * u.deg) for turn, size in ((0, 1.5), (100, 3.0), (190, 0.5))
    ]
    regions: list[str | None] = []
    for n, (lon, lat) in enumerate(zip(away.ra.deg.tolist(), away.dec.deg.tolist(), strict=True)):
        polygon = " ".join(f"{float(c.ra.deg[n])!r} {float(c.dec.deg[n])!r}" for c in corners)
        kinds = (
            f"CIRCLE ICRS {lon!r} {lat!r} 1.5", f"POLYGON ICRS {polygon}", f"{lon!r} {lat!r} 0.2", None,
            f"Box ICRS {lon!r} {lat!r} 3 2", f"POSITION ICRS {lon!r} {lat!r}", "",
        )  # fmt: skip
        regions.append(kinds[n % len(kinds)])
    # some rows have no position, some have half of one; some of these have a region
    missing = np.arange(N) % 50 == 49
    return pa.table(
        {
            "i": np.arange(N), "s_ra": pa.array(ra, mask=missing), "s_region": pa.array(regions, pa.string()),
            "s_dec": pa.array(dec, mask=missing & (np.arange(N) % 100 == 99)), "r": rng.uniform(0, 4, N),
        }
    )  # fmt: skip
