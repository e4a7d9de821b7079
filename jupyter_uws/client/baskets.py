"""Baskets: lists of runs that a user keeps in the service, the same in the panels and in notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .connection import Connection
from .errors import ServiceError


@dataclass(frozen=True)
class Basket:
    """A basket: ``obs_publisher_dids`` are its runs, in the order they came; ``modified`` is ISO 8601, UTC."""

    name: str
    obs_publisher_dids: tuple[str, ...]
    note: str = ""
    modified: str = ""

    def __repr__(self) -> str:
        return f"<Basket {self.name}: {len(self.obs_publisher_dids)} runs>"


def names(connection: Connection) -> list[str]:
    """The user's baskets."""
    return [str(basket["name"]) for basket in _json(connection.get("baskets"))["baskets"]]


def get(connection: Connection, name: str) -> Basket:
    """A basket. Raises ServiceError (``status`` 404) where there is none of that name."""
    return _basket(_json(connection.get(_path(name))))


def add(connection: Connection, name: str, dids: Sequence[str]) -> Basket:
    """Put runs into a basket, which is made where there is none; those that are in it stay in it once."""
    return _basket(_json(connection.request("PATCH", _path(name), json={"add": list(dids)})))


def _path(name: str) -> str:
    return f"baskets/{quote(name, safe='')}"


def _json(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        raise ServiceError("What the service sent is not a basket: is it older than this client?") from None


def _basket(document: dict[str, Any]) -> Basket:
    runs = tuple(map(str, document["obs_publisher_dids"]))
    return Basket(str(document["name"]), runs, str(document.get("note", "")), str(document.get("modified", "")))
