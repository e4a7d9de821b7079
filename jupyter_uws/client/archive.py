"""The archive, from a notebook: search it by target, cone, time and energy, or in ADQL.

What reads rows and positions (astropy, pyarrow: 70 MB) is imported by the first search, and not before.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import adql, baskets
from .connection import Connection, connect, reachable
from .errors import BadValue, ClientError, QueryError, ServiceError, UnknownTarget

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table
    from gammapy.data import DataStore
    from pyvo.dal import TAPService

    from .observations import ObservationTable
    from .resolver import Target
    from .targetlist import TargetList

ARROW = "application/vnd.apache.arrow.stream"
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
        targets: Any = None,
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
            The same as ``target``, by the name that jobs have for it.
        targets
            Many targets at once, instead of one: a list of names and coordinates, a SkyCoord, a table, or the name
            of a file (:func:`~jupyter_uws.client.targetlist.as_target_list`). The columns ``target`` and
            ``separation`` tell which one an observation is for; it is there once for each that it is near.
        time
            Start and stop, of which one may be None: Time, datetime, ISO texts or MJD (the last two in
            UTC; ``"2004-12"`` and ``"2004"`` are the beginning of the month or year). Observations that
            overlap the interval are found.
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
        from . import constraints
        from .observations import ObservationTable

        adql.check_names(columns)
        within: float | None = None
        upload: bytes | None = None
        around: Target | TargetList | None = None
        where = []
        what, order, tables = adql.ALL_COLUMNS, "t_min", adql.OBSCORE_TABLE
        if targets is not None:
            if target is not None or position is not None:
                raise BadValue("targets= is a list of them, and one is given as well; give one of the two")
            from .targetlist import as_target_list

            around = as_target_list(targets)
            within = constraints.radius(radius)
            what, order, tables = adql.TARGET_COLUMNS, "target_number, t_min", adql.targets_join(within)
            upload = around.votable()
        elif centre := self._centre(target, position):
            around = centre
            within = constraints.radius(radius)
            where.append(adql.cone(centre.position, within))
        if time is not None:
            where += adql.time_overlap(*constraints.times(time))
        if energy is not None:
            where += adql.energy_overlap(*constraints.energies(energy))
        if collection is not None:
            where.append(adql.equals("obs_collection", collection, "collection"))
        if obs_ids is not None:
            where.append(constraints.identifiers(obs_ids))
        if product_type is not None:
            types = adql.EVENTS if product_type in adql.EVENTS else product_type
            where.append(adql.equals("dataproduct_type", types, "product_type"))
        where += [adql.equals(name, value) for name, value in columns.items() if value is not None]
        query = adql.select(where, what, order, tables)
        rows, overflow = self._query(query, maxrec, upload)
        table = ObservationTable.from_obscore(rows, around, within)
        table.meta["adql"] = query
        table.meta["service"] = self.connection.url
        if overflow:
            counted, _ = self._query(adql.select(where, "COUNT(*) AS n", None, tables), None, upload)
            table.meta["total"] = int(counted["n"][0])
            _warn_truncated(len(table), table.meta["total"])
        elif not len(table) and collection is not None:
            table.meta["collections"] = self._collections()
        return table

    def baskets(self) -> list[str]:
        """The names of the user's baskets."""
        return baskets.names(self.connection)

    def basket(self, name: str) -> ObservationTable:
        """The observations in a basket. Raises ServiceError (``status`` 404) where there is none of that name."""
        dids = baskets.get(self.connection, name).obs_publisher_dids
        found = self.search(obs_ids=dids or ["ivo://none"], product_type=None)  # no run is called so
        found.meta["basket"] = name
        return found

    def _centre(self, target: Any, position: Any) -> Target | None:
        if target is not None and position is not None:
            raise BadValue("target= and position= are the same thing twice; give one of them")
        if target is None and position is None:
            return None
        from .resolver import as_target

        try:
            return as_target(target) if position is None else as_target(position, "position")
        except UnknownTarget as error:
            name = self._observed_as(target if position is None else position)
            if name is None:
                raise
            raise UnknownTarget(f"{error} Or search the runs that observers called so: target_name={name!r}.") from None

    def _observed_as(self, name: str) -> str | None:
        """The name as the archive writes it, where observers gave it to a run."""
        try:
            same = f"LOWER(target_name) = {adql.quoted(name.lower())}"
            rows, _ = self._query(adql.select([same], "TOP 1 target_name", None), None)
        except (ClientError, ValueError):
            return None
        return str(rows["target_name"][0]) if len(rows) else None

    def _collections(self) -> list[str]:
        rows, _ = self._query(adql.select([], "DISTINCT obs_collection", "obs_collection"), 100)
        return [str(name) for name in rows["obs_collection"]]

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

    def data_store(self, runs: Any, folder: str | Path | None = None) -> DataStore:
        """The runs of a search as a gammapy DataStore, their files fetched; see :func:`.datastore.data_store`."""
        from .datastore import data_store

        return data_store(self.connection, runs, folder)

    def _query(self, query: str, maxrec: int | None, targets: bytes | None = None) -> tuple[Table, bool]:
        """The rows, and whether there are more; ``targets`` is a VOTable, for the query ``TAP_UPLOAD.targets``."""
        from .constraints import rows
        from .votable import PIECE, read_votable

        try:
            arrow = _offers_arrow(self.connection)
        except ServiceError:  # the query will be told why
            arrow = False
        form = {"REQUEST": "doQuery", "LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "arrow" if arrow else "votable"}
        if maxrec is not None:
            form["MAXREC"] = rows(maxrec)
        files = None
        if targets is not None:
            form["UPLOAD"] = "targets,param:targets"
            files = {"targets": ("targets.vot", targets, "application/x-votable+xml")}
        try:
            response = self.connection.post(
                "tap/sync", data=form, files=files, timeout=(5.0, QUERY_TIMEOUT), stream=True
            )
        except ServiceError as error:
            if error.status == 400:
                raise QueryError(str(error), 400) from None
            raise
        with response, reachable(response.url):
            pieces = response.iter_content(PIECE)
            if not arrow:
                return read_votable(pieces)
            from .arrow import read_arrow

            return read_arrow(pieces)


@lru_cache(maxsize=16)
def _offers_arrow(connection: Connection) -> bool:
    """Whether the service sends rows as Arrow's stream, which is read several times faster than any VOTable."""
    return ARROW in connection.get("tap/capabilities").text


def _warn_truncated(rows: int, total: int | None) -> None:
    fetched = f"{rows} rows were fetched, there are more" if total is None else f"{rows} of {total} rows were fetched"
    warnings.warn(f"Only {fetched}: raise maxrec or ask for less.", TruncatedResult, stacklevel=3)
