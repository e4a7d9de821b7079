"""Identifiers of ADQL: which names are regular, and how the others are written."""

from __future__ import annotations

import re

# SQL-92's reserved words plus ADQL 2.1's own (ADQL 2.1, sections 2.1.3 and 2.1.4), and OFFSET, which its lists forget
_RESERVED_TEXT = """
    absolute action add all allocate alter and any are as asc assertion at authorization avg begin between bit
    bit_length both by cascade cascaded case cast catalog char character char_length character_length check close
    coalesce collate collation column commit connect connection constraint constraints continue convert corresponding
    count create cross current current_date current_time current_timestamp current_user cursor date day deallocate
    decimal declare default deferrable deferred delete desc describe descriptor diagnostics disconnect distinct domain
    double drop else end end-exec escape except exception exec execute exists external extract false fetch first float
    for foreign found from full get global go goto grant group having hour identity immediate in indicator initially
    inner input insensitive insert int integer intersect interval into is isolation join key language last
    leading left level like local lower match max min minute module month names national natural nchar next no not
    null nullif numeric octet_length of on only open option or order outer output overlaps pad partial position
    precision prepare preserve primary prior privileges procedure public read real references relative restrict revoke
    right rollback rows schema scroll second section select session session_user set size smallint some space sql
    sqlcode sqlerror sqlstate substring sum system_user table temporary then time timestamp timezone_hour
    timezone_minute to trailing transaction translate translation trim true union unique unknown update upper usage
    user using value values varchar varying view when whenever where with work write year zone
    abs acos area asin atan atan2 bigint box ceiling centroid circle contains coord1 coord2 coordsys cos degrees
    distance exp floor ilike intersects in_unit log log10 mod offset pi point polygon power radians rand region round
    sin sqrt tan top truncate
"""
RESERVED = frozenset(_RESERVED_TEXT.split())

_REGULAR = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def is_regular(name: str) -> bool:
    """Whether ``name`` may stand in a query without quotes."""
    return bool(_REGULAR.match(name)) and name.lower() not in RESERVED


def quoted(name: str) -> str:
    """``name`` as it is written in a query: in double quotes where it is not a regular identifier."""
    return name if is_regular(name) else delimited(name)


def delimited(name: str) -> str:
    """``name`` in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def unquoted(name: str) -> str:
    """The bare name of an identifier as TAP_SCHEMA writes it."""
    if len(name) >= 2 and name[0] == name[-1] == '"':
        return name[1:-1].replace('""', '"')
    return name
