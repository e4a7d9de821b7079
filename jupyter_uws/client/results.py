"""The results of a job: fetched when asked for, shown by what they are."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
_CHUNK = 1024 * 1024
#: Readers of astropy by the words of a media type.
_TABLE_FORMATS = (("ecsv", "ascii.ecsv"), ("votable", "votable"), ("csv", "ascii.csv"), ("fits", "fits"))


class Result:
    """One result of a job. Its content is fetched once, at first use.

    ``name``, ``url``, ``content_type`` and ``size`` (bytes, None where the service does not say) are
    known before. In a notebook an image shows itself.
    """

    def __init__(self, connection: Connection, reference: ResultReference) -> None:
        self._connection = connection
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

    def plot(self, ax: Any = None) -> Any:
        """Draw a sky map or flux points with matplotlib; returns the Axes."""
        from . import plots

        if "fits" in self.content_type or self.bytes.startswith(b"SIMPLE"):
            return plots.plot_map(self.fits, ax=ax, title=self.name)
        table = self.table
        if "e_ref" in table.colnames:
            return plots.plot_flux_points(table, ax=ax)
        raise self._is_not("something that can be plotted (a sky map or flux points)")

    def _stream(self, file: Any, limit: int | None) -> None:
        response = self._connection.get(self.url, stream=True)
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

    def _repr_png_(self) -> Bytes | None:
        return self.bytes if self.content_type.startswith("image/png") else None

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

    known = {"fits": ".fits", "ecsv": ".ecsv", "yaml": ".yaml", "votable": ".vot"}
    for word, extension in known.items():
        if word in content_type:
            return extension
    return mimetypes.guess_extension(content_type.split(";")[0]) or ""
