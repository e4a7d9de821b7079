"""DataLink over HTTP: ``datalink/links?ID=``, and what its rows point to beside the files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from ..dali import ErrorMixin
from ..forms import FormMixin, form_handler
from ..methods import MethodsMixin
from ..serving import CHUNK, name_file, open_regular, send_file
from ..vosi import availability_document, capabilities_document, capability, of_itself, tell_age, write_document
from . import bundle, datalink
from .errors import ArchiveError
from .handlers import open_file
from .links import PREVIEWS, Processing, StoredRun, find_runs, links
from .previews import Previews, can_draw

#: So many identifiers of one request are answered; fewer than a form may have parameters.
ID_LIMIT = 500
#: A client that takes nothing for this long [s] has gone.
PATIENCE = 60.0
#: What RESPONSEFORMAT may be, and what the answer then is; parameters of a media type count for nothing (DataLink 1.1,
#: section 2.1.2).
_FORMATS = {
    "votable": datalink.CONTENT_TYPE,
    "application/x-votable+xml": datalink.CONTENT_TYPE,
    "text/xml": "text/xml",
}

#: What takes a run, for the service's root as the client sees it.
Processings = Callable[[str], Sequence[Processing]]

if TYPE_CHECKING:

    class _Base(RequestHandler):
        root: str
else:
    _Base = object


class _Handler(MethodsMixin, ErrorMixin, _Base):
    expected = (ArchiveError,)


def make_routes(
    base: type[RequestHandler],
    archive: Callable[[], Path],
    pictures: Path,
    processings: Processings = lambda root: (),
) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """The routes of DataLink for the runs of an archive.

    ``base`` is the service's handler, which lets in or refuses the request and offers ``root``; it may tell that the
    archive is ``open_to_anonymous`` readers and that this one ``is_anonymous``. ``archive`` tells where the archive is;
    in the folder ``pictures`` those of runs are kept.
    """
    drawing = form_handler(type("PreviewMixin", (PreviewMixin,), {"previews": Previews(pictures)}), base)
    kinds = "|".join(PREVIEWS)
    return [
        (r"/datalink/links", form_handler(LinksMixin, base), {"archive": archive, "processings": processings}),
        (r"/datalink/bundle", form_handler(BundleMixin, base), {"archive": archive}),
        (rf"/datalink/preview/({kinds})", drawing, {"archive": archive}),
        (r"/datalink/capabilities", type("CapabilitiesHandler", (CapabilitiesMixin, base), {}), {"archive": archive}),
        (r"/datalink/availability", type("AvailabilityHandler", (AvailabilityMixin, base), {}), {"archive": archive}),
    ]


class LinksMixin(_Handler, FormMixin):
    """``/datalink/links``: what belongs to the runs named by ID, which may be given more than once."""

    def initialize(self, archive: Callable[[], Path], processings: Processings) -> None:
        self.archive = archive
        self.processings = processings

    async def get(self) -> None:
        """The table of links; identifiers that are not known get a row that says so (DataLink 1.1, section 3.4)."""
        form = self.read_form()
        content_type, dids = _content_type(form), _identifiers(form)
        services = self.processings(self.root)
        rows = await asyncio.to_thread(links, self.archive(), dids[:ID_LIMIT], self.root, services, previews=can_draw())
        overflow = len(dids) > ID_LIMIT
        reader = datalink.Reader(
            known=not getattr(self, "is_anonymous", False), open=getattr(self, "open_to_anonymous", False)
        )
        self.set_header("Content-Type", content_type)
        url = f"{self.root}datalink/links"
        self.write(datalink.links_document(rows, url, services, overflow=overflow, reader=reader))

    head = get
    post = get

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A request that cannot be answered at all gets a VOTable, too."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, ArchiveError):
            self.answer_error(503, f"TransientFault: {error}")
        elif isinstance(error, HTTPError) and status_code in (400, 413, 415, 503) and error.log_message:
            fault = "TransientFault" if status_code == 503 else "UsageFault"
            self.answer_error(status_code, f"{fault}: {error.get_message()}")
        elif status_code == 500 and not self.is_expected(error):
            self.answer_error(500, "DefaultFault: the service failed at this request; its log tells more")
        else:
            super().write_error(status_code, **kwargs)


class _DataMixin(_Handler):
    """What the links point to; errors are one sentence of text."""

    def initialize(self, archive: Callable[[], Path]) -> None:
        self.archive = archive

    async def find(self, dids: Sequence[str]) -> list[StoredRun]:
        """The runs with these identifiers, or of these responses, each once.

        Raises HTTPError 400 or 404, ArchiveError.
        """
        if not dids:
            raise HTTPError(400, "ID is missing: give the obs_publisher_did of a run")
        found = await asyncio.to_thread(find_runs, self.archive(), dids)
        for did in dids:
            if did not in found:
                raise HTTPError(404, f"the archive has no run with the obs_publisher_did {did[:200]!r}")
        return list({found[did].did: found[did] for did in dids}.values())

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, ArchiveError):
            self.answer_in_words(503, str(error))
        else:
            super().write_error(status_code, **kwargs)


class BundleMixin(_DataMixin, FormMixin):
    """``/datalink/bundle``: the files of one run, or of several, in one tar file that is made while it is sent."""

    async def get(self) -> None:
        """Send it as fast as the client takes it: no more than a piece of one file is held."""
        dids = _identifiers(self.read_form())
        if len(dids) > ID_LIMIT:
            raise HTTPError(400, f"ID is given {len(dids)} times; {ID_LIMIT} runs are allowed in one bundle")
        runs = await self.find(dids)
        files = await asyncio.to_thread(bundle.members, runs)
        folders = {run.collection for run in runs}
        name_file(self, f"{bundle.folder_name(runs) if len(folders) == 1 else 'runs'}.tar")
        self.set_header("Content-Type", "application/x-tar")
        self.set_header("Content-Length", str(bundle.length(files)))
        try:
            await self._flush()
            if self.request.method != "HEAD":
                for file in files:
                    await self._send(file)
                self.write(bundle.END)
        except (StreamClosedError, TimeoutError, OSError):
            # a file that was changed meanwhile, or a client that left: the length tells that it is not whole
            self.request.connection.stream.close()  # type: ignore[union-attr]

    head = get
    post = get

    async def _send(self, file: bundle.Member) -> None:
        self.write(file.header)
        if isinstance(file.content, bytes):
            self.write(file.content)
        else:
            opened, info = await asyncio.to_thread(open_file, file.content)
            with opened:
                if (info.st_size, int(info.st_mtime)) != (file.size, file.mtime):
                    raise OSError(f"{file.name} was changed while it was sent")
                start = 0
                while start < file.size:
                    size = min(CHUNK, file.size - start)
                    piece = await asyncio.to_thread(os.pread, opened.fileno(), size, start)
                    if not piece:
                        raise OSError(f"{file.name} was cut short while it was sent")
                    start += len(piece)
                    self.write(piece)
                    await self._flush()
        self.write(file.padding)
        await self._flush()

    async def _flush(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.flush()


class PreviewMixin(_DataMixin, FormMixin):
    """``/datalink/preview/<kind>``: a picture of a run."""

    previews: Previews

    async def get(self, kind: str) -> None:
        if not can_draw():
            raise HTTPError(503, "pictures need matplotlib, which this service has not: jupyter-uws[gamma] brings it")
        dids = _identifiers(self.read_form())
        if len(dids) > 1:
            raise HTTPError(400, f"ID is given {len(dids)} times; a picture is of one run")
        (run,) = await self.find(dids)
        try:
            path = await self.previews.picture(run, kind)
            opened, info = await asyncio.to_thread(open_regular, path)
        except OSError:
            raise HTTPError(410, "the run's events are gone since the archive was made") from None
        name_file(self, f"{run.collection}-{run.obs_id}-{kind}.png")
        await send_file(self, opened, info, "image/png")

    head = get


class CapabilitiesMixin(_DataMixin):
    """``/datalink/capabilities`` (VOSI 1.1)."""

    async def get(self) -> None:
        here = f"{self.root}datalink"
        # to be asked with parameters: the base of its addresses (DataLink 1.1, section 2.2)
        asked = capability(datalink.STANDARD, f"{here}/links", role="std")
        tell_age(self)
        write_document(self, capabilities_document([asked, *of_itself(here)]))

    head = get


class AvailabilityMixin(_DataMixin):
    """``/datalink/availability``: whether the archive can be read now."""

    async def get(self) -> None:
        reason = None
        try:
            await asyncio.to_thread(find_runs, self.archive(), [])
        except ArchiveError as error:
            reason = str(error)
        write_document(self, availability_document(reason))

    head = get


def _content_type(form: dict[str, list[str]]) -> str:
    """The media type of the answer: the one that RESPONSEFORMAT names (DALI 1.1, section 3.4.3)."""
    wanted = [value for name, values in form.items() if name.upper() == "RESPONSEFORMAT" for value in values]
    found = datalink.CONTENT_TYPE
    for value in wanted:
        kind = value.partition(";")[0].strip().lower()
        if kind and kind not in _FORMATS:
            raise HTTPError(400, f"RESPONSEFORMAT: {value[:100]!r} is not known; votable is")
        found = _FORMATS.get(kind, found)
    return found


def _identifiers(form: dict[str, list[str]]) -> list[str]:
    """The values of ID, each once; names of parameters are in any case (DALI 1.1, section 2.3.1)."""
    return list(dict.fromkeys(value for name, values in form.items() if name.upper() == "ID" for value in values))
