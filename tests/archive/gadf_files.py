"""FITS tables of the kind that DL3 data stores hold, with any header."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits


def events_hdu(obs_id: int, n: int = 10, **cards: Any) -> fits.BinTableHDU:
    """An EVENTS table with the mandatory header; ``cards`` change it, None takes a card out."""
    events = np.zeros(n, dtype=[("EVENT_ID", "i8"), ("TIME", "f8"), ("RA", "f4"), ("DEC", "f4"), ("ENERGY", "f4")])
    hdu = fits.BinTableHDU(events, name=cards.pop("EXTNAME", "EVENTS"))
    header = {
        "HDUCLASS": "GADF", "HDUCLAS1": "EVENTS", "OBS_ID": obs_id, "OBJECT": "A target", "TELESCOP": "HESS",
        "INSTRUME": "Phase I", "RA_PNT": 10.0, "DEC_PNT": -20.0, "TSTART": 100.0, "TSTOP": 1900.0,
        "MJDREFI": 51910, "MJDREFF": 0.0, "TIMESYS": "TT", "LIVETIME": 1700.0, **cards,
    }  # fmt: skip
    hdu.header.update({key: value for key, value in header.items() if value is not None})
    return hdu


def aeff_hdu(name: str = "AEFF", **cards: Any) -> fits.BinTableHDU:
    """An effective area from 0.5 to 50 TeV, out to 3 deg."""
    vectors = {"ENERG_LO": [0.5, 5], "ENERG_HI": [5, 50], "THETA_LO": [0, 1], "THETA_HI": [1, 3], "EFFAREA": [1] * 4}
    units = {"ENERG": "TeV", "THETA": "deg", "EFFAR": "m2"}
    columns = [
        fits.Column(key, f"{len(v)}E", unit=units[key[:5]], array=np.array([v], "f4")) for key, v in vectors.items()
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.update({"HDUCLAS1": "RESPONSE", "HDUCLAS2": "EFF_AREA", **cards})
    return hdu


def gti_hdu(*intervals: tuple[float, float], unit: str = "s", **cards: Any) -> fits.BinTableHDU:
    """Good time intervals, with nothing that tells their reference but ``cards``; None stands for no card."""
    columns = [
        fits.Column(name, "D", unit=unit, array=np.array([pair[side] for pair in intervals]))
        for side, name in enumerate(("START", "STOP"))
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="GTI")
    hdu.header.update({key: value for key, value in cards.items() if value is not None})
    return hdu
