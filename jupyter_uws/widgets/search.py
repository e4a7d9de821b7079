"""The widget of the archive search."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import traitlets

from ..client.errors import BadValue
from ..client.show import html_paragraph
from .base import ServiceWidget

if TYPE_CHECKING:
    from ..client.observations import ObservationTable

#: Rows that the static picture of a search shows at most.
STILL = 20


class SearchWidget(ServiceWidget):
    """Search the archive by target, time and energy or by ADQL, and go on with what was found.

    Parameters
    ----------
    target
        A name or coordinates; with it, or with ``adql``, the search runs at once.
    radius
        [deg]
    adql
        A query in place of the form's.
    url, token
        The service; without them the one this kernel belongs to.
    """

    _module = "search.js"

    #: The query whose rows are shown; empty before the first.
    adql = traitlets.Unicode().tag(sync=True)
    #: The ``obs_publisher_did`` of the rows that are marked.
    runs = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(
        self,
        target: str = "",
        *,
        radius: float = 2.0,
        adql: str | None = None,
        url: str | None = None,
        token: str | None = None,
    ) -> None:
        if not 0 < radius <= 180:
            raise BadValue(f"radius is {radius!r}, allowed is a number above 0 and up to 180 deg")
        place: dict[str, Any] = {"kind": "search", "form": {"target": target, "radius": f"{radius:g}"}}
        super().__init__(place if adql is None else {**place, "adql": adql}, url, token)

    @property
    def table(self) -> ObservationTable:
        """The runs that are marked, or without marks the rows of the query, as a table with methods.

        Raises
        ------
        ValueError
            Nothing was searched for yet.
        """
        from ..client.archive import Archive
        from ..client.observations import ObservationTable

        if not self.adql:
            raise BadValue("Nothing was searched for yet.")
        rows = Archive(connection=self.connection).adql(self.adql)
        if self.runs:
            rows = rows[[did in set(self.runs) for did in rows["obs_publisher_did"]]]
        return ObservationTable.from_obscore(rows)

    def _static(self) -> dict[str, Any]:
        from ..client.archive import Archive, TruncatedResult

        archive, form, adql = Archive(connection=self.connection), self._place["form"], self._place.get("adql")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncatedResult)
            if adql is not None:
                return {"text/html": archive.adql(adql, maxrec=STILL)._repr_html_()}
            if form["target"]:
                found = archive.search(form["target"], radius=float(form["radius"]), maxrec=STILL)
                return {"text/html": found._repr_html_()}
        return {"text/html": html_paragraph("Search of the archive.")}
