"""The results of a job: fetched when asked for, shown by what they are."""

from __future__ import annotations

import difflib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import responses
from .connection import Connection, reachable
from .errors import ClientError
from .uws import ResultReference

if TYPE_CHECKING:
    from astropy.io.fits import HDUList
    from astropy.table import Table

# A Result has a property of that name.
Bytes = bytes

#: The largest result that is kept in the kernel's memory, in bytes; larger ones can only be saved.
MEMORY = 512 * 1024 * 1024
#: Results that show more than their name: at most so many bytes, letters and rows.
SHOWN_SIZE, SHOWN_TEXT, SHOWN_ROWS = 256 * 1024, 4000, 20
#: Results of these kinds, and of at most so many bytes, show themselves as they draw themselves.
DRAWN = ("map", "flux points", "light curve", "theta2", "sensitivity", "effective area")
DRAWN_SIZE = 32 * 1024 * 1024
_CHUNK = 1024 * 1024
#: Readers of astropy by the words of a media type.
_TABLE_FORMATS = (("ecsv", "ascii.ecsv"), ("votable", "votable"), ("csv", "ascii.csv"), ("fits", "fits"))


class Result:
    """One result of a job. Its content is fetched once, at first use.

    ``name``, ``url``, ``content_type`` and ``size`` (bytes, None where the service does not say) are
    known before. In a notebook a result shows itself: as a picture, a plot, a table or a text.
    """

    def __init__(self, connection: Connection, reference: ResultReference) -> None:
        self.connection = connection
        self.name = reference.name
        self.url = reference.url
        self.content_type = reference.content_type.lower()
        self.size = reference.size
        self._content: Bytes | None = None

    @property
    def bytes(self) -> Bytes:
        """The content.

        Raises
        ------
        ClientError
            It is larger than 512 MiB; :meth:`save` has no such limit.
        """
        if self._content is None:
            buffer = BytesIO()
            self._stream(buffer, MEMORY)
            self._content = buffer.getvalue()
        return self._content

    @property
    def text(self) -> str:
        return self.bytes.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The document of a JSON file."""
        try:
            return json.loads(self.bytes)
        except ValueError:
            raise self._is_not("JSON") from None

    @property
    def yaml(self) -> Any:
        """The document of a YAML file: dicts, lists, numbers and text only."""
        import yaml

        try:
            return yaml.safe_load(self.bytes)
        except yaml.YAMLError:
            raise self._is_not("YAML") from None

    @property
    def table(self) -> Table:
        """A table: ECSV, VOTable, CSV, or the first table of a FITS file."""
        from astropy.table import Table

        formats = [reader for word, reader in _TABLE_FORMATS if word in self.content_type or word in self.name.lower()]
        if self.bytes.startswith(b"# %ECSV"):
            formats = ["ascii.ecsv"]
        if not formats:
            raise self._is_not("a table")
        try:
            return Table.read(BytesIO(self.bytes), format=formats[0])
        except (ValueError, OSError, IndexError):  # a FITS image, for instance
            raise self._is_not("a table") from None

    @property
    def fits(self) -> HDUList:
        """The HDUs of a FITS file, gzipped or not."""
        from astropy.io import fits

        if not self.bytes.startswith((b"SIMPLE", b"\x1f\x8b")):
            raise self._is_not("a FITS file")
        # gzip is recognised by its first bytes
        return fits.open(BytesIO(self.bytes), memmap=False)

    @property
    def map(self) -> Any:
        """The sky map of a FITS file, as a gammapy Map (needs gammapy)."""
        try:
            from gammapy.maps import Map
        except ImportError:
            raise ClientError(
                "A map needs gammapy in this kernel (pip install 'jupyter-uws[gamma]'); .fits and .plot() do not."
            ) from None
        return Map.from_hdulist(self.fits)

    @property
    def image(self) -> Any:
        """A picture, as an IPython Image or SVG."""
        from IPython.display import SVG, Image

        if self._is_svg():
            return SVG(data=self.text)  # type: ignore[no-untyped-call]
        if not self._is_image():
            raise self._is_not("a picture")
        return Image(data=self.bytes)  # type: ignore[no-untyped-call]

    def save(self, path: str | Path | None = None) -> Path:
        """Write the content to a file (by default the result's name in the current folder).

        Where ``path`` is a folder the file goes into it. Returns the file's path.
        """
        target = Path(self.file_name if path is None else path)
        if target.is_dir():
            target = target / self.file_name
        if not target.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {target.parent} to save {target.name} in.")
        if self._content is not None:
            target.write_bytes(self._content)
            return target
        partial = target.with_name(target.name + ".part")
        try:
            with partial.open("wb") as file:
                self._stream(file, None)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    @property
    def file_name(self) -> str:
        """A name for the file, from the result's name and type: never a path."""
        name = "".join(c if c.isalnum() or c in "._-" else "_" for c in self.name).lstrip(".") or "result"
        return name if "." in name else name + _extension(self.content_type)

    @property
    def array(self) -> Any:
        """The numpy array of a ``.npy`` file; none that holds objects."""
        import numpy as np

        try:
            return np.load(BytesIO(self.bytes), allow_pickle=False)
        except (ValueError, EOFError):
            raise self._is_not("an array") from None

    @property
    def value(self) -> Any:
        """The content as what it is in Python: JSON, a table, an array, a picture; of all else the path of a file."""
        if "json" in self.content_type:
            return self.json
        if "npy" in self.content_type:
            return self.array
        if self._is_image() or self._is_svg():
            return self.image
        return self.path if self.kind in ("map", "events", "model", "file", *responses.KINDS.values()) else self.table

    @property
    def path(self) -> Path:
        """A file with the content in the cache, for programs that want one."""
        from .files import cache_folder

        name = sha256(self.url.encode()).hexdigest()[:12]
        target = cache_folder("results") / f"{name}-{self.file_name}"
        if not target.is_file() or (self.size is not None and target.stat().st_size != self.size):
            self.save(target)
        return target

    def to_gammapy(self) -> Any:
        """As gammapy has it: a map, models (YAML), flux points, a light curve, an event list, or a response."""
        try:
            from gammapy.data import EventList
            from gammapy.estimators import FluxPoints
            from gammapy.modeling.models import Models
        except ImportError:
            raise ClientError("to_gammapy() needs gammapy in this kernel: pip install 'jupyter-uws[gamma]'") from None
        kind = self.kind
        if kind == "map":
            return self.map
        if kind == "model":
            return Models.from_yaml(self.text)
        if kind in responses.KINDS.values():
            return responses.read(self.fits)
        if kind == "events":
            return EventList.read(self.path)
        if kind == "flux points":
            return FluxPoints.from_table(self.table, sed_type="dnde" if "dnde" in self.table.colnames else None)
        if kind == "light curve":
            return FluxPoints.from_table(self.table, format="lightcurve")
        raise self._is_not("something that gammapy has a class for")

    @cached_property
    def kind(self) -> str:
        """What it is, by its content: ``map``, ``flux points``, ``light curve``, ``theta2``, ``sensitivity``,
        ``events``, ``effective area``, ``energy dispersion``, ``point spread function``, ``background rate``,
        ``model``, ``image``, ``table``, or ``file``."""
        if self._is_image() or self._is_svg():
            return "image"
        if "yaml" in self.content_type:
            document = self.yaml
            return "model" if isinstance(document, dict) and "components" in document else "file"
        if "fits" in self.content_type or self.bytes.startswith(b"SIMPLE"):
            hdus = self.fits
            if "EVENTS" in {hdu.name.upper() for hdu in hdus}:
                return "events"
            if response := responses.kind_of(hdus):
                return response
            if any(hdu.is_image and hdu.data is not None for hdu in hdus):
                return "map"
        try:
            columns = set(self.table.colnames)
        except ClientError:
            return "file"
        marks = {
            "light curve": "time_min",
            "sensitivity": "criterion",
            "flux points": "e_ref",
            "theta2": "theta2_min",
        }
        return next((kind for kind, column in marks.items() if column in columns), "table")

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw it as what it is, with matplotlib; returns the Axes.

        A sky map on its coordinates (``histogram=True``: the distribution of its pixels), flux points
        (``model=`` a result with the fitted model, ``reference="Crab"``), a light curve, a theta-squared table, a
        sensitivity, an event list, a response (all but effective areas by gammapy).
        """
        from . import resultplots as draw

        kind = self.kind
        if kind == "map" and options.pop("histogram", False):
            return draw.plot_significance(self.fits, ax=ax, **options)
        if kind == "map":
            return draw.plot_map(self.fits, ax=ax, title=self.name, **options)
        if kind == "flux points":
            model = options.pop("model", None)
            return draw.plot_flux_points(self.table, ax, model.yaml if isinstance(model, Result) else model, **options)
        if kind == "events":
            from astropy.table import Table

            return draw.plot_events(Table.read(self.fits["EVENTS"]), ax=ax, **options)
        if kind in responses.KINDS.values():
            return responses.plot(self.fits, ax=ax, **options)
        tables = {
            "light curve": draw.plot_light_curve,
            "theta2": draw.plot_theta2,
            "sensitivity": draw.plot_sensitivity,
        }
        if kind in tables:
            return tables[kind](self.table, ax=ax, **options)
        raise self._is_not("something that can be plotted (a sky map, flux points, a light curve, events, ...)")

    def send_samp(self, to: str | None = None) -> list[str]:
        """Send it to the programs that are open beside this kernel (TOPCAT, Aladin, DS9), or to the one named ``to``.

        A map goes as a FITS image, event lists and responses as FITS tables, all other tables as VOTables. Returns the
        names of the programs.

        Raises
        ------
        ClientError
            It is no table and no map, there is no SAMP hub on this machine, or no program takes it.
        """
        from . import samp

        kind = self.kind
        if kind == "map":
            return samp.send_file(samp.FITS_IMAGE, self.path, self.name, to)
        if kind == "events" or kind in responses.KINDS.values():
            return samp.send_file(samp.FITS_TABLE, self.path, self.name, to)
        return samp.send_samp(self.table, to, self.name)

    def _stream(self, file: Any, limit: int | None) -> None:
        response = self.connection.get(self.url, stream=True)
        done = 0
        with reachable(self.url), response:
            for chunk in response.iter_content(_CHUNK):
                done += len(chunk)
                if limit is not None and done > limit:
                    raise ClientError(f"Result {self.name!r} is larger than {limit >> 20} MiB: use .save(path).")
                file.write(chunk)

    def _is_image(self) -> bool:
        return self.content_type.split(";")[0] in ("image/png", "image/jpeg", "image/gif")

    def _is_svg(self) -> bool:
        return self.content_type.startswith("image/svg")

    def _is_not(self, what: str) -> ClientError:
        return ClientError(f"Result {self.name!r} ({self.content_type or 'of unknown type'}) is not {what}.")

    def __repr__(self) -> str:
        size = "" if self.size is None else f", {human_size(self.size)}"
        return f"<Result {self.name}: {self.content_type or 'unknown type'}{size}>"

    def _repr_html_(self) -> str | None:
        """A table, a text, or the numbers of a JSON document, where it is small; a picture or a plot shows itself."""
        if self._is_image() or self.size is None or self.size > SHOWN_SIZE or self._is_drawn():
            return None
        if self._is_svg():  # as the source of an image nothing in it can act
            return f'<img src="data:image/svg+xml;base64,{b64encode(self.bytes).decode()}">'
        title = f"<p>{escape(repr(self)[1:-1])}</p>"
        try:
            if "json" in self.content_type:
                return f"{title}<pre>{escape(json.dumps(self.json, indent=1, ensure_ascii=False)[:SHOWN_TEXT])}</pre>"
            if any(word in self.content_type for word, _ in _TABLE_FORMATS[:3]):
                return title + "\n".join(self.table.pformat(max_lines=SHOWN_ROWS, html=True))
            if "yaml" in self.content_type or self.content_type.startswith("text/plain"):
                return f"{title}<pre>{escape(self.text[:SHOWN_TEXT])}</pre>"
        except ClientError:
            return None
        return None

    def _repr_png_(self) -> Bytes | None:
        if self.content_type.startswith("image/png"):
            return self.bytes
        return self._drawing() if self._is_drawn() else None

    def _is_drawn(self) -> bool:
        """Whether it shows itself as a plot; of maps those that are one plane."""
        is_table_or_fits = any(word in self.content_type for word, _ in _TABLE_FORMATS)
        if not is_table_or_fits or self.size is None or self.size > DRAWN_SIZE:
            return False
        try:
            kind = self.kind
            return kind in DRAWN and not (kind == "map" and any(hdu.header["NAXIS"] > 2 for hdu in self.fits))
        except (ClientError, OSError):  # not what its type says
            return False

    def _drawing(self) -> Bytes | None:
        import matplotlib.pyplot as plt

        buffer = BytesIO()
        with plt.ioff():
            figure = self.plot().figure
            figure.savefig(buffer, format="png", bbox_inches="tight")
            plt.close(figure)
        return buffer.getvalue()

    def _repr_jpeg_(self) -> Bytes | None:
        return self.bytes if self.content_type.startswith("image/jpeg") else None


class Results(Mapping[str, Result]):
    """The results of one job by name; an unknown name is answered with the names there are."""

    def __init__(self, job_id: str, results: dict[str, Result]) -> None:
        self._job_id = job_id
        self._results = results

    def __getitem__(self, name: str) -> Result:
        try:
            return self._results[name]
        except KeyError:
            near = difflib.get_close_matches(name, self._results, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            names = ", ".join(self._results) or "none yet"
            raise MissingResult(f"Job {self._job_id} has no result {name!r}.{hint} Its results: {names}.") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._results.values())) or f"Job {self._job_id} has no results yet"

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{escape(repr(self))}</p>"
        rows = "".join(
            "<tr>"
            + "".join(
                f'<td style="text-align:left">{escape(text)}</td>'
                for text in (result.name, result.content_type, "" if result.size is None else human_size(result.size))
            )
            + "</tr>"
            for result in self.values()
        )
        return f"<table>{rows}</table>"


class MissingResult(ClientError, KeyError):
    """A job has no result of that name."""

    __str__ = ClientError.__str__


def human_size(size: float) -> str:
    """``12.3 kB``"""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _extension(content_type: str) -> str:
    import mimetypes

    known = {"fits": ".fits", "ecsv": ".ecsv", "yaml": ".yaml", "votable": ".vot", "ipynb": ".ipynb"}
    for word, extension in known.items():
        if word in content_type:
            return extension
    return mimetypes.guess_extension(content_type.split(";")[0]) or ""
