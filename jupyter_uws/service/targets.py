"""The list of well-known sources, for panels that look names up as they are typed.

The browser asks nobody but the service, so names are resolved without a network.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
from typing import Any

from .handlers import ServiceHandler


@lru_cache(maxsize=1)
def listed_targets() -> tuple[dict[str, Any], ...]:
    """The rows of the list that the client ships: name, aliases, position (ICRS, deg), kind, reference."""
    text = files("jupyter_uws").joinpath("client", "sources.csv").read_text("utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        {
            "name": row["name"],
            "aliases": [alias.strip() for alias in row["aliases"].split(";") if alias.strip()],
            "ra": float(row["ra"]),
            "dec": float(row["dec"]),
            "kind": row["class"],
            "reference": row["reference"],
        }
        for row in rows
    )


class TargetsHandler(ServiceHandler):
    """``/targets``: the whole list (JSON)."""

    def get(self) -> None:
        self.set_header("Cache-Control", "private, max-age=3600")
        self.write({"targets": listed_targets()})

    head = get
