"""The archive, from a notebook: search it by target, cone, time and energy, or in ADQL."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from . import adql
from .connection import Connection, connect
from .errors import QueryError, ServiceError
from .observations import ObservationTable
from .resolver import Target, parse_coordinates, resolve

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from pyvo.dal import TAPService

#: Seconds for the answer of a synchronous query to begin.
QUERY_TIMEOUT = 120.0


class TruncatedResult(UserWarning):
    """There are more rows than were sent."""


class Archive:
    """The archive of a service: inside JupyterLab ``Archive()``, elsewhere with a URL and a token.

    Raises
    ------
    NotConfigured
        No service was named and none was found.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, connection: Connection | None = None
    ) -> None:
        self.connection = connection or connect(url, token)

    def __repr__(self) -> str:
        return f"<Archive {self.url}>"

    @property
    def url(self) -> str:
        """The URL of the TAP service: TOPCAT and pyvo take it too."""
        return self.connection.resolve("tap")

    @property
    def tap(self) -> TAPService:
        """The archive as a pyvo TAPService, for asynchronous queries, uploads and metadata."""
        from pyvo.dal import TAPService

        return TAPService(self.url, session=self.connection.session)

    def search(
        self,
        target: str | Target | SkyCoord | None = None,
        radius: Any = "2 deg",
        *,
        position: Any = None,
        time: tuple[Any, Any] | None = None,
        energy: tuple[Any, Any] | None = None,
        collection: str | Sequence[str] | None = None,
        obs_ids: Any = None,
        product_type: str | None = "event",
        maxrec: int | None = None,
        **columns: Any,
    ) -> ObservationTable:
        """Observations as a table, in order of time.

        Parameters
        ----------
        target
            A source's name (:func:`~jupyter_uws.client.resolve`) or coordinates; the observations
            whose pointing is within ``radius`` are found.
        radius
            A Quantity or a text with a unit; a plain number is in degrees.
        position
            Instead of ``target``: a SkyCoord, or coordinates as text.
        time
            Start and stop, of which one may be None: Time, ISO texts or MJD (these two in UTC).
            Observations that overlap the interval are found.
        energy
            Lowest and highest energy, of which one may be None: Quantities or texts with a unit.
            Observations whose range overlaps are found.
        collection
            One name or several.
        obs_ids
            Observation identifiers, or publisher's identifiers (``ivo://…``).
        product_type
            ``event`` matches event lists by any of their names; None finds products of all types.
        maxrec
            The most rows to fetch; a warning tells if there are more.
        **columns
            Any other column of ObsCore with the value it must have, or a list of values
            (``target_name="Sim Crab"``).

        Raises
        ------
        UnknownTarget
            The name is not known, or not surely.
        ValueError
            A value that cannot be searched for; the text names it.
        ServiceError, ServiceUnreachable
            The archive refused the query or did not answer.
        """
        centre = _centre(target, position)
        constraints = []
        if centre is not None:
            constraints.append(adql.cone(centre.position, _radius(radius)))
        if time is not None:
            constraints += adql.time_overlap(*_times(time))
        if energy is not None:
            constraints += adql.energy_overlap(*_energies(energy))
        if collection is not None:
            constraints.append(adql.equals("obs_collection", collection))
        if obs_ids is not None:
            constraints.append(_identifiers(obs_ids))
        if product_type is not None:
            types = adql.EVENTS if product_type in adql.EVENTS else product_type
            constraints.append(adql.equals("dataproduct_type", types))
        constraints += [adql.equals(name, value) for name, value in columns.items() if value is not None]
        query = adql.select(constraints)
        rows, overflow = self._query(query, maxrec)
        table = ObservationTable.from_obscore(rows, centre)
        table.meta["adql"] = query
        if overflow:
            counted, _ = self._query(adql.select(constraints, "COUNT(*) AS n", None), None)
            table.meta["total"] = int(counted["n"][0])
            _warn_truncated(len(table), table.meta["total"])
        return table

    def adql(self, query: str, maxrec: int | None = None) -> Table:
        """Run a query in ADQL and return its result; ``meta["adql"]`` keeps the query.

        Raises
        ------
        QueryError
            The query is wrong; the text is the archive's explanation.
        """
        if not query.strip():
            raise QueryError("The query is empty.")
        table, overflow = self._query(query, maxrec)
        table.meta["adql"] = query
        table.meta["overflow"] = overflow
        if overflow:
            _warn_truncated(len(table), None)
        return table

    def _query(self, query: str, maxrec: int | None) -> tuple[Table, bool]:
        form = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "votable"}
        if maxrec is not None:
            if maxrec < 0:
                raise ValueError(f"maxrec={maxrec} must be 0 or more")
            form["MAXREC"] = str(maxrec)
        try:
            response = self.connection.post("tap/sync", data=form, timeout=(5.0, QUERY_TIMEOUT))
        except ServiceError as error:
            if error.status == 400:
                raise QueryError(str(error), 400) from None
            raise
        return read_votable(response.content)


def read_votable(body: bytes) -> tuple[Table, bool]:
    """The first table of a DALI response, and whether it was truncated.

    Raises
    ------
    QueryError
        The document says that the query failed.
    ServiceError
        It is not a VOTable.
    """
    from astropy.io import votable

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = votable.parse(BytesIO(body), verify="ignore")
    except Exception as error:  # the parser raises its own, expat's, and numpy's errors
        raise ServiceError(f"The archive's answer is not a VOTable: {type(error).__name__}.") from None
    overflow = False
    for resource in document.iter_resources() if hasattr(document, "iter_resources") else document.resources:
        for info in resource.infos:
            if info.name == "QUERY_STATUS" and info.value.upper() == "ERROR":
                raise QueryError(" ".join(str(info.content or "The query failed").split()))
            overflow |= info.name == "QUERY_STATUS" and info.value.upper() == "OVERFLOW"
    try:
        first = document.get_first_table()
    except IndexError:
        raise ServiceError("The archive's answer holds no table.") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = first.to_table(use_names_over_ids=True)
    _plain_strings(table)
    return table, overflow


def _plain_strings(table: Table) -> None:
    """Text as columns of text rather than of objects: they sort, compare and can be written."""
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind != "O":
            continue
        values = np.ma.getdata(column)
        missing = np.array([value is None for value in values], dtype=bool) | np.ma.getmaskarray(column)
        if not all(isinstance(value, str) for value in values[~missing]):
            continue
        plain = np.array(["" if gone else value for value, gone in zip(values, missing, strict=True)], dtype=str)
        kept = {"name": name, "description": column.description, "meta": column.meta}
        table[name] = MaskedColumn(plain, mask=missing, **kept)


def _warn_truncated(rows: int, total: int | None) -> None:
    of = "more" if total is None else str(total)
    warnings.warn(
        f"Only {rows} rows of {of} were fetched; raise maxrec or search for less.", TruncatedResult, stacklevel=3
    )


def _centre(target: Any, position: Any) -> Target | None:
    from astropy.coordinates import SkyCoord

    if target is not None and position is not None:
        raise ValueError("target= and position= are the same thing twice; give one of them")
    value = target if target is not None else position
    if value is None or isinstance(value, Target):
        return value
    if isinstance(value, SkyCoord):
        if not value.isscalar:
            raise ValueError(f"a search has one position, not {value.size}")
        return Target(name=value.to_string("hmsdms", precision=1), position=value.icrs, source="coordinates")
    if isinstance(value, str):
        if target is not None:
            return resolve(value)
        found = parse_coordinates(value)
        if found is None:
            raise ValueError(f"position={value!r} is not understood; write '83.63 22.01' or '05:34:31 +22:00:52'")
        return found
    raise ValueError(f"a target is a name, coordinates or a SkyCoord, not {type(value).__name__}")


def _quantity(name: str, value: Any, unit: u.UnitBase, plain: bool = False) -> float:
    """A value in ``unit``; without a unit of its own only where ``plain`` numbers are understood."""
    try:
        quantity = u.Quantity(value)
        if quantity.unit == u.dimensionless_unscaled and not isinstance(value, u.Quantity):
            if not plain:
                raise ValueError(f"{name}={value!r} needs a unit, as in {_example(unit)!r}")
            quantity = quantity.value * unit
        result = quantity.to_value(unit)
    except u.UnitConversionError:
        raise ValueError(f"{name}={value!s} cannot be converted to {unit}") from None
    except TypeError:
        raise ValueError(f"{name}={value!r} is not understood, write {_example(unit)!r}") from None
    if np.ndim(result) or not np.isfinite(result):
        raise ValueError(f"{name}={value!r} must be one finite number with a unit")
    return float(result)


def _example(unit: u.UnitBase) -> str:
    return f"2 {unit}"


def _radius(value: Any) -> float:
    radius = _quantity("radius", value, u.deg, plain=True)
    if not 0 < radius <= 180:
        raise ValueError(f"radius={value!s} must be above 0 and at most 180 deg")
    return radius


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    try:
        low, high = value
    except (TypeError, ValueError):
        raise ValueError(f"{name}={value!r} must be a pair; one of the two may be None") from None
    if isinstance(value, str):
        raise ValueError(f"{name}={value!r} must be a pair; one of the two may be None")
    return low, high


def _energies(value: Any) -> tuple[float | None, float | None]:
    low, high = (None if item is None else _quantity("energy", item, u.TeV) for item in _pair("energy", value))
    for energy in (low, high):
        if energy is not None and energy <= 0:
            raise ValueError(f"energy={value!s} must be above 0")
    if low is not None and high is not None and low > high:
        raise ValueError(f"energy={value!s}: the lower energy comes first")
    return low, high


def _times(value: Any) -> tuple[Time | None, Time | None]:
    start, stop = (None if item is None else _time(item) for item in _pair("time", value))
    if start is not None and stop is not None and start > stop:
        raise ValueError(f"time={value!s}: the earlier time comes first")
    return start, stop


def _time(value: Any) -> Time:
    if isinstance(value, Time):
        return value
    try:
        if isinstance(value, (int, float)):
            return Time(value, format="mjd", scale="utc")
        if isinstance(value, str):
            return Time(value.strip().removesuffix("Z"), scale="utc")
        return Time(value)
    except (ValueError, TypeError):
        raise ValueError(f"time={value!r} is not a time: write '2004-12-04T20:00:00', an MJD or a Time") from None


def _identifiers(value: Any) -> str:
    if hasattr(value, "colnames"):
        value = value["obs_id"]
    if hasattr(value, "tolist"):
        value = value.tolist()
    items = [str(item) for item in ([value] if isinstance(value, (str, int)) else value)]
    if items and all(item.startswith("ivo://") for item in items):
        return adql.equals("obs_publisher_did", items)
    return adql.equals("obs_id", items)
