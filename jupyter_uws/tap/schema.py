"""TAP_SCHEMA: what a service says of its tables (TAP 1.1, section 4), as data.

Whoever makes a DuckDB file for this room describes its tables with these classes and calls
:func:`write_tap_schema`; the service reads them back with :func:`read_tap_schema`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column. ``datatype`` and ``arraysize`` are VOTable's (``char`` with ``*`` for strings)."""

    name: str
    datatype: str
    description: str = ""
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    principal: bool = False
    indexed: bool = False
    std: bool = False


@dataclass(frozen=True)
class Table:
    """One table or view, with its schema-qualified name (``ivoa.obscore``)."""

    name: str
    columns: tuple[Column, ...]
    description: str = ""
    utype: str | None = None
    table_type: str = "table"
