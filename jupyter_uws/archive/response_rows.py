"""Rows of response functions in ``ivoa.obscore`` and its extension, as the high-energy extension's draft has them.

ObsCore 1.1 knows no such ``dataproduct_type``, and checkers say so: a collection has these rows where its operator
asks. A row is that of its run, but for what it is and where it is: it is found by position, time and ``obs_id`` alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .database import to_table
from .links import FITS, RESPONSE, RESPONSES, file_url


def has_responses(tables: Mapping[str, pa.Table], collection: str) -> bool:
    """Whether the collection has such rows."""
    return bool(pc.any(_is_response(tables["obscore"], collection)).as_py())


def with_responses(tables: Mapping[str, pa.Table], collection: str) -> dict[str, pa.Table]:
    """The tables of an archive with a row for each response of each run of the collection, in both of its tables."""
    tables = without_responses(tables, collection)
    rows = {name: {row["obs_publisher_did"]: row for row in tables[name].to_pylist()} for name in _TABLES}
    made: dict[str, list[dict[str, Any]]] = {name: [] for name in _TABLES}
    for did, own, response in _responses(tables, collection):
        made["obscore"].append({**rows["obscore"][did], "obs_publisher_did": own, **response})
        if did in rows["obscore_hea"]:
            made["obscore_hea"].append({**rows["obscore_hea"][did], "obs_publisher_did": own, "ev_xel": None})
    return {**tables, **{name: pa.concat_tables([tables[name], to_table(name, made[name])]) for name in _TABLES}}


def without_responses(tables: Mapping[str, pa.Table], collection: str) -> dict[str, pa.Table]:
    """The tables without these rows."""
    mine = _is_response(tables["obscore"], collection)
    gone = tables["obscore"].filter(mine)["obs_publisher_did"].combine_chunks()
    left = {n: tables[n].filter(pc.invert(pc.is_in(tables[n]["obs_publisher_did"], gone))) for n in _TABLES}
    return {**tables, **left}


_TABLES = ("obscore", "obscore_hea")


def _is_response(obscore: pa.Table, collection: str) -> pa.ChunkedArray:
    return pc.and_(pc.equal(obscore["obs_collection"], collection), pc.equal(obscore["dataproduct_type"], RESPONSE))


def _responses(tables: Mapping[str, pa.Table], collection: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The run of each response, the identifier of its row, and what that has of its own."""
    files = tables["file"].filter(pc.equal(tables["file"]["collection"], collection)).to_pylist()
    sizes = {file["name"]: file["size"] for file in files}
    seen = set()
    for hdu in tables["hdu"].filter(pc.equal(tables["hdu"]["collection"], collection)).to_pylist():
        did, kind = hdu["obs_publisher_did"], hdu["hdu_type"]
        if kind in RESPONSES and (did, kind) not in seen:
            seen.add((did, kind))
            qualifier, _ = RESPONSES[kind]
            yield (
                did,
                f"{did}/{qualifier}",
                {
                    "dataproduct_type": RESPONSE,
                    "dataproduct_subtype": qualifier,
                    "access_format": FITS,
                    "access_estsize": max(1, round(sizes[hdu["file_name"]] / 1000)),
                    "_links": file_url(collection, hdu["file_name"], hdu["hdu_name"]),
                },
            )
