"""What GADF 0.3 asks of the tables of a run, one question for each function.

Each gives what is wrong as the name of a check, a sentence, and whether it is an error: see :mod:`.check`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits

from .fitsfile import Hdu
from .gadf import optional_number, optional_text, reference_offset

Wrong = Iterator[tuple[str, str, bool]]

#: Cards that an EVENTS header must have, as numbers; without some of them analyses go on.
NUMBERS = ("RA_PNT", "DEC_PNT", "TSTART", "TSTOP", "MJDREFI", "MJDREFF", "ONTIME", "LIVETIME", "DEADC")
_GO_ON_WITHOUT = ("ONTIME", "DEADC")
#: Those that it must have as texts, and the target, which users search by.
TEXTS = (
    "TELESCOP", "INSTRUME", "ORIGIN", "CREATOR", "HDUCLASS", "HDUDOC", "HDUVERS", "HDUCLAS1", "TIMEUNIT", "TIMEREF",
    "OBJECT",
)  # fmt: skip
REFERENCE = ("MJDREFI", "MJDREFF", "TIMESYS")
#: Seconds by which times may disagree: what headers round to.
TOLERANCE = 1.0

_ENERGIES = ("TeV", "GeV", "MeV", "keV", "eV")
_ENERGY = {"ENERG_LO": _ENERGIES, "ENERG_HI": _ENERGIES}
_OFFSET = {"THETA_LO": ("deg",), "THETA_HI": ("deg",)}
_Units = dict[str, Sequence[str]]
#: The mandatory columns of each class of the HDU index, and their units: the first is the standard's. None: no matter.
COLUMNS: dict[str, _Units] = {
    "events": {"EVENT_ID": (), "TIME": ("s",), "RA": ("deg",), "DEC": ("deg",), "ENERGY": _ENERGIES},
    "gti": {"START": ("s",), "STOP": ("s",)},
    "aeff_2d": {**_ENERGY, **_OFFSET, "EFFAREA": ("m2",)},
    "edisp_2d": {**_ENERGY, **_OFFSET, "MIGRA_LO": (), "MIGRA_HI": (), "MATRIX": ()},
    "psf_table": {**_ENERGY, **_OFFSET, "RAD_LO": ("deg",), "RAD_HI": ("deg",), "RPSF": ("sr-1",)},
    "psf_3gauss": {
        **_ENERGY, **_OFFSET, "SCALE": ("sr-1",), "SIGMA_1": ("deg",), "AMPL_2": (), "SIGMA_2": ("deg",),
        "AMPL_3": (), "SIGMA_3": ("deg",),
    },
    "psf_king": {**_ENERGY, **_OFFSET, "GAMMA": (), "SIGMA": ("deg",)},
    "bkg_2d": {**_ENERGY, **_OFFSET, "BKG": ("s-1 MeV-1 sr-1",)},
    "bkg_3d": {
        **_ENERGY, "DETX_LO": ("deg",), "DETX_HI": ("deg",), "DETY_LO": ("deg",), "DETY_HI": ("deg",),
        "BKG": ("s-1 MeV-1 sr-1",),
    },
    "rad_max_2d": {**_ENERGY, **_OFFSET, "RAD_MAX": ("deg",)},
}  # fmt: skip
#: Columns of values that may be in any unit that can be converted to the standard's.
_CONVERTED = {"EFFAREA", "RPSF", "SCALE", "BKG"}


def check_columns(kind: str, cls: str, hdu: Hdu) -> Wrong:
    """The mandatory columns of a class, with their units."""
    if cls not in COLUMNS:
        yield "headers", f"{kind}: the index says that it is {cls or 'of no class'!r}, which GADF does not know", False
        return
    names = {str(hdu.header[card]): card.removeprefix("TTYPE") for card in hdu.header["TTYPE*"]}
    for column, allowed in COLUMNS[cls].items():
        if column not in names:
            yield "headers", f"{kind}: the column {column} is missing", column != "EVENT_ID"
            continue
        unit = str(hdu.header.get(f"TUNIT{names[column]}", "")).strip()
        if allowed and unit not in allowed and not (column in _CONVERTED and _convertible(unit, allowed[0])):
            yield "units", f"{kind}: {column} is in {unit or 'no unit'}, not {allowed[0]}", bool(unit)


def _convertible(unit: str, standard: str) -> bool:
    try:
        return bool(unit) and units.Unit(unit).is_equivalent(units.Unit(standard))
    except ValueError:
        return False


def check_sums(kind: str, hdu: Hdu) -> Wrong:
    """The checksums that an HDU has of itself (FITS 4.0, section 4.4.2.7), where it has them."""
    if hdu.data is None or not {"CHECKSUM", "DATASUM"} & set(hdu.header):
        return
    table = fits.BinTableHDU.fromstring(hdu.header.tostring().encode("ascii") + hdu.data)
    if table.verify_datasum() == 0:
        yield "checksum", f"{kind}: its data are not those that its DATASUM was made of", True
    elif table.verify_checksum() == 0:
        yield "checksum", f"{kind}: it is not what its CHECKSUM was made of", True


def check_cards(header: fits.Header, obs_id: int) -> Wrong:
    """The mandatory cards of an EVENTS header, and what they say of each other."""
    for card in NUMBERS:
        if optional_number(header, card) is None:
            yield "headers", f"EVENTS: {card} is {header.get(card)!r}, not a number", card not in _GO_ON_WITHOUT
    missing = _missing(header, TEXTS)
    if optional_text(header, "RADESYS") is None:
        missing += _missing(header, ["RADECSYS"])
    missing += _missing(header, ["EQUINOX"])
    if missing:
        yield "headers", f"EVENTS: {_are_missing(missing)}", False
    if _missing(header, ["TIMESYS"]):
        yield "headers", "EVENTS: TIMESYS is missing: taken for TT, other programs may differ by a minute", True
    if header.get("OBS_ID") != obs_id:
        yield "headers", f"EVENTS: OBS_ID is {header.get('OBS_ID')!r}, the index says {obs_id}", False
    start, stop, ontime, livetime, deadc = (
        _number(header, card) for card in ("TSTART", "TSTOP", "ONTIME", "LIVETIME", "DEADC")
    )
    if stop <= start:
        yield "headers", f"EVENTS: TSTOP ({stop}) is not after TSTART ({start})", True
    if livetime > ontime + TOLERANCE:
        yield "headers", f"EVENTS: LIVETIME is {livetime:.1f} s, longer than ONTIME, {ontime:.1f} s", False
    elif not 0 <= deadc <= 1 and not math.isnan(deadc):
        yield "headers", f"EVENTS: DEADC is {deadc:g}, not from 0 to 1", False
    elif abs(livetime - deadc * ontime) > TOLERANCE:
        words = f"LIVETIME is {livetime:.1f} s, DEADC times ONTIME is {deadc * ontime:.1f} s"
        yield "headers", f"EVENTS: {words}", False


def _missing(header: fits.Header, cards: Sequence[str]) -> list[str]:
    return [card for card in cards if optional_text(header, card) is None]


def _are_missing(cards: Sequence[str]) -> str:
    return f"{', '.join(cards)} {'is' if len(cards) == 1 else 'are'} missing"


def _number(header: fits.Header, card: str) -> float:
    """NaN where there is none: no comparison with it holds."""
    value = optional_number(header, card)
    return math.nan if value is None else value


def check_events(events: Hdu) -> Wrong:
    """The rows of an EVENTS table: known by number, in the order of time, on the sky, with an energy."""
    table = events.table
    names, count = set(table.names), len(table)
    if "EVENT_ID" in names and (twice := count - len(np.unique(table["EVENT_ID"]))):
        yield "events", f"{twice} of {count} events have the EVENT_ID of another one", False
    if "TIME" in names:
        time = np.asarray(table["TIME"], float)
        if bad := int((~np.isfinite(time)).sum()):
            yield "events", f"{bad} of {count} events have no TIME", True
        elif (np.diff(time) < 0).any():
            yield "events", "the events are not in the order of TIME", False
    if {"RA", "DEC"} <= names:
        ra, dec = (np.asarray(table[name], float) for name in ("RA", "DEC"))
        if bad := int((~((ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90))).sum()):
            yield "events", f"{bad} of {count} events are not on the sky", True
    if "ENERGY" in names:
        energy = np.asarray(table["ENERGY"], float)
        if bad := int((~(np.isfinite(energy) & (energy > 0))).sum()):
            yield "energy", f"{bad} of {count} events have no energy greater than 0", True


def check_good_times(events: Hdu, gti: Hdu) -> Wrong:
    """The good time intervals, and whether the header and the events agree with them."""
    if missing := _missing(gti.header, REFERENCE):
        yield "headers", f"GTI: {_are_missing(missing)}: taken from EVENTS", False
    table, header = gti.table, events.header
    if not {"START", "STOP"} <= set(table.names):
        return
    reference = (_number(header, "MJDREFI"), _number(header, "MJDREFF"))
    offset = 0.0 if math.isnan(sum(reference)) else reference_offset(gti.header, reference)
    if abs(offset) > 1e-3:
        yield "gti", f"the reference time of GTI is {offset:+.3f} s from that of EVENTS (MJDREFI, MJDREFF)", False
    scales = {str(h.get("TIMESYS", "TT")).strip().upper() for h in (gti.header, header)}
    if len(scales) > 1:
        yield "gti", f"GTI and EVENTS have different time systems ({', '.join(sorted(scales))})", True
        return
    start, stop = (np.asarray(table[name], float) + offset for name in ("START", "STOP"))
    if not len(start):
        yield "gti", "GTI has no interval", True
    elif not (np.isfinite(start).all() and (start < stop).all()):
        yield "gti", "GTI has an interval that does not end after its start", True
    elif (start[1:] < stop[:-1]).any():
        yield "gti", "GTI has intervals that overlap or are out of order", True
    else:
        yield from _check_coverage(events, start, stop)


def _check_coverage(events: Hdu, start: Any, stop: Any) -> Wrong:
    header = events.header
    over = max(_number(header, "TSTART") - start[0], stop[-1] - _number(header, "TSTOP"))
    if over > TOLERANCE:
        yield "gti", f"GTI reaches {over:.1f} s beyond TSTART and TSTOP", True
    ontime, good = _number(header, "ONTIME"), float((stop - start).sum())
    if abs(good - ontime) > TOLERANCE:
        yield "gti", f"GTI adds up to {good:.1f} s, ONTIME is {ontime:.1f} s", False
    time = np.asarray(events.table["TIME"], float) if "TIME" in events.table.names else np.empty(0)
    place = np.searchsorted(start, time, side="right") - 1
    outside = ~((place >= 0) & (time <= stop[np.maximum(place, 0)]))
    if outside.any():
        late = float(np.max(np.maximum(start[0] - time[outside], time[outside] - stop[-1]), initial=0.0))
        words = f"{int(outside.sum())} of {len(time)} events are outside of the good time intervals"
        yield "gti", f"{words}, by up to {late:.2f} s", False


def check_response(kind: str, cls: str, hdu: Hdu) -> Wrong:
    """A response table: one row, axes that rise, and values for each of their bins."""
    table = hdu.table
    if len(table) != 1:
        yield "responses", f"{kind}: it has {len(table)} rows, not one", True
        return
    names = [name for name in COLUMNS.get(cls, {}) if name in table.names]
    bins = 1
    for axis in [name.removesuffix("_LO") for name in names if name.endswith("_LO")]:
        if f"{axis}_HI" not in names:
            continue
        low, high = (np.asarray(table[f"{axis}_{end}"][0], float).ravel() for end in ("LO", "HI"))
        bins *= len(low)
        # nodes of an axis are bins without a width; an energy is a bin
        ordered = (low < high) if axis == "ENERG" else (low <= high)
        if len(low) != len(high) or not (np.isfinite(low).all() and ordered.all() and (np.diff(low) > 0).all()):
            yield "responses", f"{kind}: the axis {axis} does not rise", True
        elif axis == "ENERG" and low[0] <= 0:
            yield "responses", f"{kind}: the axis ENERG does not begin above 0", True
    for name in (name for name in names if not name.endswith(("_LO", "_HI"))):
        values = np.asarray(table[name][0], float)
        if values.size != bins:
            yield "responses", f"{kind}: {name} has {values.size} values, its axes have {bins} bins", True
        elif not np.isfinite(values).all():
            yield "responses", f"{kind}: {name} has values that are no numbers", True
        elif (below := int((values < 0).sum())) and not name.startswith("AMPL"):
            yield "responses", f"{kind}: {below} of {values.size} values of {name} are below 0", False
