"""The documents of DataLink 1.1: the table of links, and the descriptors of the services it refers to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..markup import DECLARATION, leaf, tag, text
from .links import Link, Processing

CONTENT_TYPE = "application/x-votable+xml;content=datalink"
STANDARD = "ivo://ivoa.net/std/DataLink#links-1.1"

#: The XML ID of the column ID: descriptors refer to it for the parameter that takes a run.
ID_FIELD = "ID"


@dataclass(frozen=True)
class _Field:
    name: str
    ucd: str | None
    description: str
    datatype: str = "char"
    unit: str | None = None


_FIELDS = (
    _Field("ID", "meta.id;meta.main", "the identifier that was asked for"),
    _Field("access_url", "meta.ref.url", "where the data are"),
    _Field("service_def", "meta.ref", "the descriptor, in this document, of a service that takes the ID"),
    _Field("error_message", "meta.code.error", "why there is no link"),
    _Field("description", "meta.note", "what it is"),
    _Field("semantics", "meta.code", "what it is to the ID (vocabulary http://www.ivoa.net/rdf/datalink/core)"),
    _Field("content_type", "meta.code.mime", "media type of the data"),
    _Field("content_length", "phys.size;meta.file", "size of the data", "long", "byte"),
    _Field("content_qualifier", None, "kind of product: event-list, aeff, edisp, psf, bkgrate, event-bundle"),
    _Field("local_semantics", "meta.id.assoc", "the HDU's class in GADF, or the name of a preview"),
    _Field("link_auth", "meta.code", "whether one must be known to the service to follow the link"),
    _Field("link_authorized", "meta.code", "whether who asked may follow the link", "boolean"),
)


@dataclass(frozen=True)
class Reader:
    """Who reads: nobody that is ``known``, where the archive is ``open``; its links are, too, but not its services."""

    known: bool = True
    open: bool = False


def links_document(
    links: Sequence[Link],
    url: str,
    processings: Sequence[Processing] = (),
    *,
    overflow: bool = False,
    reader: Reader = Reader(),
) -> str:
    """The VOTable of ``links``; ``url`` is the resource it is the answer of, ``processings`` what rows refer to.

    ``reader`` is whom ``link_authorized`` is about; ``overflow`` says that more identifiers were given than are
    answered.
    """
    rows = [_row(link, reader) for link in links]
    table = tag("TABLE", "\n", *map(_field, _FIELDS), tag("DATA", tag("TABLEDATA", "\n", *rows)), "\n")
    tail = tag("INFO", name="QUERY_STATUS", value="OVERFLOW") + "\n" if overflow else ""
    results = tag(
        "RESOURCE",
        "\n",
        tag("INFO", name="standardID", value=STANDARD) + "\n",
        tag("INFO", name="QUERY_STATUS", value="OK") + "\n",
        table,
        "\n",
        tail,
        type="results",
    )
    used = {link.service_def for link in links}
    services = [processing.resource for processing in processings if processing.name in used]
    return _document(results, "\n", *services, _itself(url))


def _document(*children: str) -> str:
    votable = tag("VOTABLE", "\n", *children, version="1.4", xmlns="http://www.ivoa.net/xml/VOTable/v1.3")
    return DECLARATION + votable + "\n"


def _itself(url: str) -> str:
    """The service of links describes itself, so that a client that has only this document can ask for other runs.

    By the utype of DataLink 1.1 (section 4.4), which no other descriptor has; that of 1.0 was the name ``this``.
    """
    takes = f'<PARAM name="ID" datatype="char" arraysize="*" ucd="meta.id;meta.main" ref="{ID_FIELD}" value=""/>'
    return (
        tag(
            "RESOURCE",
            "\n",
            leaf("DESCRIPTION", "What belongs to a run of this archive"),
            "\n",
            _param("standardID", STANDARD),
            _param("accessURL", url),
            _param("contentType", CONTENT_TYPE),
            tag("GROUP", takes, name="inputParams"),
            "\n",
            type="meta",
            utype="adhoc:this",
            name="links",
        )
        + "\n"
    )


def _param(name: str, value: str) -> str:
    return tag("PARAM", name=name, datatype="char", arraysize="*", value=value) + "\n"


def _field(field: _Field) -> str:
    return (
        tag(
            "FIELD",
            leaf("DESCRIPTION", field.description),
            ID=ID_FIELD if field.name == "ID" else None,
            name=field.name,
            datatype=field.datatype,
            arraysize="*" if field.datatype == "char" else None,
            unit=field.unit,
            ucd=field.ucd,
        )
        + "\n"
    )


def _row(link: Link, reader: Reader) -> str:
    values = {**vars(link), **_access(link, reader)}
    cells = [values.get(field.name) for field in _FIELDS]
    return tag("TR", *(tag("TD", "" if cell is None else text(cell)) for cell in cells)) + "\n"


def _access(link: Link, reader: Reader) -> dict[str, str]:
    """Whoever reads this was let in, and is by the same token let in to the files; services are for the known."""
    if link.error_message is not None:
        return {}
    if link.service_def is not None:
        return {"link_auth": "true", "link_authorized": "true" if reader.known else "false"}
    return {"link_auth": "optional" if reader.open else "true", "link_authorized": "true"}
