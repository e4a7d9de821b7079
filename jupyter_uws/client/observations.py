"""A table of observations: astropy's Table, with what an observer asks of it next."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table
from astropy.time import Time

from . import baskets, files
from .adql import HC_TEV_M
from .baskets import Basket
from .connection import Connection, known_connection
from .errors import ClientError
from .resolver import Target
from .targetlist import TargetList

#: The last column that is shown; the table has them all.
_LAST_SHOWN = "s_dec"


@dataclass(frozen=True)
class Summary:
    """What a search found. ``livetime`` is in hours; ``total`` counts the rows that match, fetched or not."""

    count: int
    total: int
    livetime: float
    collections: dict[str, int]

    def __str__(self) -> str:
        count = f"{self.count} observations" if self.count != 1 else "1 observation"
        if self.total > self.count:
            count = f"{self.count} of {self.total} observations"
        names = ", ".join(f"{name} {number}" for name, number in self.collections.items())
        return f"{count}, {self.livetime:.1f} h livetime" + (f" ({names})" if names else "")


class ObservationTable(Table):  # type: ignore[misc]
    """Rows of ObsCore with four columns of convenience.

    ``separation`` is the distance of the pointing from the target, in deg; ``start`` is when the
    observation began, as text in UTC; ``energy_min`` and ``energy_max`` are the energy range in
    TeV. ``meta["adql"]`` is the query that found the rows.
    """

    @classmethod
    def from_obscore(
        cls, rows: Table, target: Target | TargetList | None = None, radius: float | None = None
    ) -> ObservationTable:
        """From the rows of a query on ``ivoa.obscore``, and the target or targets (radius in deg) that it was for."""
        table = cls(rows, masked=rows.masked)
        if radius is not None:
            table.meta["radius"] = radius
        if isinstance(target, TargetList):
            table.meta["targets"] = len(target)
            table["separation"].info.format = ".3f"
        elif target is not None:
            pointings = SkyCoord(np.asarray(rows["s_ra"], float), np.asarray(rows["s_dec"], float), unit="deg")
            separation = target.position.icrs.separation(pointings).deg if len(rows) else np.empty(0)
            column = Column(separation, name="separation", unit=u.deg, format=".3f", description="Pointing to target")
            table.add_column(column, index=2)
            table.meta["target"] = target.name
            table.meta["target_ra"] = float(target.position.icrs.ra.deg)
            table.meta["target_dec"] = float(target.position.icrs.dec.deg)
        position = table.colnames.index("t_exptime")
        table.add_column(table.MaskedColumn(_starts(rows), name="start", description="Start, UTC"), index=position)
        position += 2
        for name, wavelength in (("energy_min", "em_max"), ("energy_max", "em_min")):
            energy = HC_TEV_M / np.ma.asarray(rows[wavelength], float)
            table.add_column(table.MaskedColumn(energy, name=name, unit=u.TeV, format=".3g"), index=position)
            position += 1
        for name, digits in (("t_min", 5), ("t_max", 5), ("t_exptime", 0), ("s_ra", 4), ("s_dec", 4)):
            table[name].info.format = f".{digits}f"
        return table

    @property
    def target(self) -> Target | None:
        """The target that was searched for."""
        if "target" not in self.meta:
            return None
        position = SkyCoord(self.meta["target_ra"], self.meta["target_dec"], unit="deg")
        return Target(name=self.meta["target"], position=position, source="search")

    @property
    def pointings(self) -> SkyCoord:
        """Where the telescopes pointed, ICRS."""
        return SkyCoord(np.asarray(self["s_ra"], float), np.asarray(self["s_dec"], float), unit="deg")

    @property
    def start(self) -> Time:
        """When the observations began (UTC)."""
        return Time(np.asarray(self["t_min"], float), format="mjd", scale="tt").utc

    @property
    def summary(self) -> Summary:
        """Count, livetime, collections; an observation that is near several targets counts once."""
        each = self.each_once
        names, numbers = np.unique(np.asarray(each["obs_collection"], str), return_counts=True)
        livetime = float(np.ma.asarray(each["t_exptime"], float).filled(0).sum()) / 3600 if len(each) else 0.0
        collections = {str(name): int(number) for name, number in zip(names, numbers, strict=True)}
        return Summary(len(each), max(int(self.meta.get("total", 0)), len(each)), livetime, collections)

    @property
    def each_once(self) -> ObservationTable:
        """The rows without those of an observation that came before: of a search for many targets."""
        if "targets" not in self.meta:
            return self
        _, first = np.unique(np.asarray(self["obs_publisher_did"], str), return_index=True)
        rows: ObservationTable = self[np.sort(first)]
        return rows

    @property
    def dids(self) -> list[str]:
        """The publisher's identifiers, which name each observation in all collections; each once."""
        return [str(did) for did in self.each_once["obs_publisher_did"]]

    @property
    def connection(self) -> Connection:
        """The service that these rows came from.

        Raises
        ------
        ClientError
            They came from none: this table was not made by a search.
        """
        if "service" not in self.meta:
            raise ClientError("This table does not come from a search: it is not known where its files are.")
        return known_connection(str(self.meta["service"]))

    def basket(self, name: str) -> Basket:
        """Put the observations into a basket of the service; it is made where there is none of that name."""
        return baskets.add(self.connection, name, self.dids)

    def datalink(self, row: int | None = None) -> Table:
        """What belongs to the observations, or to the one in that row: files, pictures, jobs (DataLink 1.1)."""
        return files.links(self.connection, self.dids if row is None else [str(self["obs_publisher_did"][row])])

    def fetch(self, folder: str | Path | None = None, progress: bool = True) -> list[Path]:
        """Fetch the files (events and responses), a few at the same time; returns where they are.

        They are kept in a cache, or in ``folder``, and fetched once; their sizes are checked.
        """
        _, paths = self._fetch(None if folder is None else Path(folder), progress)
        return list(paths.values())

    def download(self, folder: str | Path, progress: bool = True) -> Path:
        """Fetch the files into a folder that is a data store of its own (GADF); returns the folder.

        ``DataStore.from_dir(folder)`` of gammapy reads it.
        """
        target = Path(folder).expanduser()
        found, paths = self._fetch(target, progress)
        tables = files.index_tables(self.each_once, found, paths)
        for name, table in zip(("obs-index", "hdu-index"), tables, strict=True):
            table.write(target / f"{name}.fits.gz", overwrite=True)
        return target

    def to_gammapy(self, progress: bool = True) -> Any:
        """The observations as a gammapy ``DataStore`` (needs gammapy here); ``.get_observations()`` opens them."""
        try:
            from gammapy.data import DataStore, HDUIndexTable
            from gammapy.data import ObservationTable as ObservationIndex
        except ImportError:
            raise ClientError("to_gammapy() needs gammapy in this kernel: pip install 'jupyter-uws[gamma]'") from None
        found, paths = self._fetch(None, progress)
        observations, hdus = files.index_tables(self.each_once, found, paths)
        hdus.meta["BASE_DIR"] = str(next(iter(paths.values())).parent)
        return DataStore(HDUIndexTable(hdus), ObservationIndex(observations))

    def _fetch(self, folder: Path | None, progress: bool) -> tuple[list[dict[str, Any]], dict[str, Path]]:
        if not len(self):
            raise ClientError("There is nothing to fetch: the table is empty.")
        found = files.products(self.datalink())
        sizes = {product["url"]: product["size"] for product in found}
        return found, files.fetch(self.connection, sizes, folder, progress=progress)

    def send_samp(self, to: str | None = None) -> list[str]:
        """Send the rows to the programs that are open beside this kernel (TOPCAT, Aladin), or to the one named ``to``.

        Returns the names of the programs. Raises ClientError where there is no SAMP hub on this machine.
        """
        from . import samp

        return samp.send_samp(self, to, str(self.meta.get("target") or "observations"))

    def plot_coverage(self, ax: Any = None) -> Any:
        """Draw when the observations were, and which energies they cover; returns the Axes."""
        from .plots import plot_coverage

        return plot_coverage(self, ax=ax)

    def plot_sky(self, ax: Any = None) -> Any:
        """Draw the pointings with their fields of view, and the target; returns the Axes."""
        from .plots import plot_pointings

        return plot_pointings(self, ax=ax)

    def _title(self) -> str:
        """One line above the rows; for an empty table it is all there is to say."""
        target, radius, collections = (self.meta.get(name) for name in ("target", "radius", "collections"))
        if "targets" in self.meta:
            target = f"{len(np.unique(np.asarray(self['target'], str)))} of {self.meta['targets']} targets"
        within = f" within {radius:g} deg of {target}" if radius else f" around {target}" if target else ""
        if len(self):
            return f"{self.summary}{within}"
        hint = "search with a larger radius or fewer constraints" if target else "search with fewer constraints"
        if collections is not None:
            hint = f"the collections of the archive are {', '.join(collections) or 'none'}"
        return f"No observations found{within}: {hint}."

    def _shown(self) -> Table:
        names = self.colnames
        last = names.index(_LAST_SHOWN) + 1 if _LAST_SHOWN in names else len(names)
        return Table(self[names[:last]], copy=False)

    def _is_whole(self) -> bool:
        """Whether the columns are there that tell what was found; some of them alone are shown as any table."""
        return {"obs_collection", "t_exptime", "obs_publisher_did"} <= set(self.colnames)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        if not self._is_whole():
            return str(Table(self, copy=False))
        if not len(self):
            return self._title()
        return "\n".join([self._title(), *self._shown().pformat(max_lines=None)])

    def _repr_html_(self) -> str:
        if not self._is_whole():
            return str(Table(self, copy=False)._repr_html_())
        title = f"<p>{escape(self._title())}</p>"
        if not len(self):
            return title
        shown = self._shown()
        more = ", ".join(self.colnames[len(shown.colnames) :])
        note = f"<p><small>and the columns {escape(more)}</small></p>" if more else ""
        return title + "\n".join(shown.pformat(max_lines=None, html=True)) + note


def _starts(rows: Table) -> Any:
    """``t_min`` (MJD, TT) as dates in UTC, to the second."""
    mjd: Any = np.ma.filled(np.ma.asarray(rows["t_min"], float), np.nan)
    known = np.isfinite(mjd)
    text = np.ma.array(np.full(len(mjd), "", dtype="U19"), mask=~known)
    if known.any():
        text[known] = Time(mjd[known], format="mjd", scale="tt", precision=0).utc.iso
    return text
