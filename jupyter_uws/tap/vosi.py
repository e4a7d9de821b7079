"""What the TAP service says of itself: VOSI 1.1 capabilities (with TAPRegExt 1.0), and tables (VODataService 1.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from ..markup import DECLARATION, leaf, tag, text
from ..vosi import XSI, capabilities_document, capability, interface, of_itself
from .formats import FORMATS
from .functions import FUNCTIONS, GEOMETRY, USER_FUNCTIONS
from .limits import QueryLimits
from .schema import SCHEMA_DESCRIPTIONS, Column, ForeignKey, Table
from .words import quoted

_FEATURES = "ivo://ivoa.net/std/TAPRegExt#features-"
_UPLOADS = "ivo://ivoa.net/std/TAPRegExt#upload-"
_OBSCORE = "ivo://ivoa.net/std/obscore#core-1.1"


@dataclass(frozen=True)
class Offer:
    """What a caller is offered: ``limits``, and ``jobs``, the seconds for which asynchronous queries are kept, by
    default and at most; None where there are none for this caller. ``note`` says in words who may come.
    """

    limits: QueryLimits
    jobs: tuple[int, int] | None = None
    note: str | None = None


def capabilities(root: str, tables: Mapping[str, Table], offer: Offer) -> str:
    """The document of ``/tap/capabilities``. ``root`` is the service's URL with its last slash."""
    tap = root + "tap"
    return capabilities_document(
        [
            _tap_capability(tap, tables, offer),
            *of_itself(tap),
            capability("ivo://ivoa.net/std/VOSI#tables-1.1", f"{tap}/tables"),
            _examples(f"{tap}/examples"),
        ],
        xmlns_tr="http://www.ivoa.net/xml/TAPRegExt/v1.0",
    )


def _tap_capability(tap: str, tables: Mapping[str, Table], offer: Offer) -> str:
    limits = offer.limits
    uploads = ["inline", *(["http", "https"] if limits.upload_urls else [])]
    models = [tag("dataModel", text("ObsCore-1.1"), **{"ivo-id": _OBSCORE})] if "ivoa.obscore" in tables else []
    language = tag(
        "language",
        leaf("name", "ADQL"),
        tag("version", "2.0", **{"ivo-id": "ivo://ivoa.net/std/ADQL#v2.0"}),
        tag("version", "2.1", **{"ivo-id": "ivo://ivoa.net/std/ADQL#v2.1"}),
        leaf("description", "Astronomical Data Query Language"),
        _features("adqlgeo", sorted(GEOMETRY)),
        _features("udf", {function.form: function.description for function in USER_FUNCTIONS.values()}),
        _features("adql-string", [name for name in ("LOWER", "UPPER") if name in FUNCTIONS] + ["ILIKE"]),
        _features("adql-sets", ["UNION", "EXCEPT", "INTERSECT"]),
        _features("adql-common-table", ["WITH"]),
        _features("adql-type", ["CAST"]),
        _features("adql-offset", ["OFFSET"]),
        _features("adql-unit", ["IN_UNIT"]),
    )
    formats = [
        tag(
            "outputFormat",
            leaf("mime", known.content_type),
            *(leaf("alias", name) for name in known.asked_by()[1:]),
            **({"ivo-id": known.ivo_id} if known.ivo_id else {}),
        )
        for known in FORMATS
    ]
    return (
        tag(
            "capability",
            "\n",
            leaf("description", offer.note),
            interface(tap, role="std", version="1.1"),
            "\n",
            *(model + "\n" for model in models),
            language + "\n",
            *(line + "\n" for line in formats),
            *(tag("uploadMethod", **{"ivo-id": _UPLOADS + method}) + "\n" for method in uploads),
            *_job_limits(offer),
            _limit("outputLimit", "row", limits.rows, limits.rows_max),
            _limit("uploadLimit", "row", limits.upload_rows, limits.upload_rows),
            standardID="ivo://ivoa.net/std/TAP",
            xsi_type="tr:TableAccess",
        )
        + "\n"
    )


def _job_limits(offer: Offer) -> list[str]:
    """Of asynchronous queries, in seconds: how long they are kept, and how long they may take."""
    limits = offer.limits
    if offer.jobs is None:
        return [_range("executionDuration", limits.duration, limits.duration)]
    return [
        _range("retentionPeriod", *offer.jobs),
        _range("executionDuration", limits.job_duration, limits.job_duration_max),
    ]


def _range(name: str, default: int, hard: int) -> str:
    return tag(name, leaf("default", default), leaf("hard", hard)) + "\n"


def _limit(name: str, unit: str, default: int, hard: int) -> str:
    return tag(name, tag("default", str(default), unit=unit), tag("hard", str(hard), unit=unit)) + "\n"


def _examples(url: str) -> str:
    page = tag("interface", tag("accessURL", text(url), use="full"), xsi_type="vr:WebBrowser")
    return tag("capability", page, standardID="ivo://ivoa.net/std/DALI#examples") + "\n"


def _features(kind: str, forms: Iterable[str]) -> str:
    """The ``forms`` of a kind of features; a mapping has their descriptions, too."""
    descriptions = forms if isinstance(forms, Mapping) else {}
    return tag(
        "languageFeatures",
        *(
            tag(
                "feature",
                leaf("form", form),
                *(leaf("description", words) for words in [descriptions.get(form)] if words),
            )
            for form in forms
        ),
        type=_FEATURES + kind,
    )


def tables_document(
    tables: Mapping[str, Table], keys: Iterable[ForeignKey], rows: Mapping[str, int], *, columns: bool
) -> str:
    """The document of ``/tap/tables``: all tables, with their columns unless ``columns`` is False (detail=min).

    ``rows`` has the number of rows of each table, where it is known.
    """
    by_table: dict[str, list[ForeignKey]] = {}
    for key in keys:
        by_table.setdefault(key.from_table, []).append(key)
    schemas = [
        tag(
            "schema",
            leaf("name", schema),
            leaf("description", SCHEMA_DESCRIPTIONS.get(schema)),
            "\n",
            *(_table(table, by_table.get(table.name, ()), rows, columns=columns) + "\n" for table in members),
        )
        for schema, members in groupby(tables.values(), key=lambda table: table.name.split(".")[0])
    ]
    return DECLARATION + _root("vosi:tableset", "\n", *(schema + "\n" for schema in schemas))


def table_document(table: Table, keys: Iterable[ForeignKey], rows: Mapping[str, int]) -> str:
    """The document of ``/tap/tables/<name>``."""
    found = [key for key in keys if key.from_table == table.name]
    return DECLARATION + _root("vosi:table", *_table_parts(table, found, rows, columns=True), type=table.table_type)


def _root(name: str, *children: str, **values: str) -> str:
    return (
        tag(
            name,
            *children,
            xmlns_vosi="http://www.ivoa.net/xml/VOSITables/v1.0",
            xmlns_vs="http://www.ivoa.net/xml/VODataService/v1.1",
            xmlns_xsi=XSI,
            **values,
        )
        + "\n"
    )


def _table(table: Table, keys: Iterable[ForeignKey], rows: Mapping[str, int], *, columns: bool) -> str:
    return tag("table", *_table_parts(table, keys, rows, columns=columns), type=table.table_type)


def _table_parts(table: Table, keys: Iterable[ForeignKey], rows: Mapping[str, int], *, columns: bool) -> list[str]:
    parts = [leaf("name", table.name), leaf("description", table.description), leaf("utype", table.utype)]
    parts.append(leaf("nrows", rows.get(table.name)))
    if columns:
        parts += ["\n" + _column(column) for column in table.columns]
        parts += ["\n" + _foreign_key(key) for key in keys]
    return parts


def _column(column: Column) -> str:
    datatype = tag(
        "dataType",
        text(column.datatype),
        xsi_type="vs:VOTableType",
        arraysize=column.arraysize,
        extendedType=column.xtype,
    )
    flags = [leaf("flag", name) for name in ("indexed", "principal") if getattr(column, name)]
    return tag(
        "column",
        leaf("name", quoted(column.name)),
        leaf("description", column.description),
        leaf("unit", column.unit),
        leaf("ucd", column.ucd),
        leaf("utype", column.utype),
        datatype,
        *flags,
        std="true" if column.std else "false",
    )


def _foreign_key(key: ForeignKey) -> str:
    return tag(
        "foreignKey",
        leaf("targetTable", key.target_table),
        *(tag("fkColumn", leaf("fromColumn", source), leaf("targetColumn", target)) for source, target in key.columns),
        leaf("description", key.description),
    )
