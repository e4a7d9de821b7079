"""Baskets: named lists of runs that a user keeps, the same in the panels, in notebooks and in other programs.

One table beside that of the jobs, one row per basket; a user reaches no baskets but the own ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..forms import FormMixin, form_handler
from ..uws.database import Database
from ..uws.errors import NotFound, UWSError
from ..uws.errors import UsageError as BasketError
from ..uws.times import format_time, utcnow
from .handlers import ServiceHandler

#: How many baskets a user may have, and how many runs one may hold.
MAX_BASKETS = 200
MAX_RUNS = 10_000
#: Letters of a name, of an identifier (obs_publisher_did) and of a note.
NAME_LENGTH = 100
DID_LENGTH = 300
NOTE_LENGTH = 2000

_metadata = sa.MetaData()
_baskets = sa.Table(
    "baskets",
    _metadata,
    sa.Column("owner", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(NAME_LENGTH), primary_key=True),
    sa.Column("modified", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("obs_publisher_dids", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)


class Conflict(UWSError):
    """What is asked for and what is there exclude each other."""

    status = 409


@dataclass(frozen=True)
class Basket:
    """``obs_publisher_dids`` are the runs, each once, in the order they came; ``modified`` is ISO 8601, UTC."""

    name: str
    obs_publisher_dids: tuple[str, ...] = ()
    note: str = ""
    modified: str = ""


def changed(basket: Basket, change: Mapping[str, Any]) -> Basket:
    """The basket after a change.

    ``obs_publisher_dids`` replaces the runs; ``add`` and ``remove`` are runs as well, of which those that are, or
    are not, there are nothing to complain of. ``note`` and ``name`` are replaced. Raises :class:`BasketError`.
    """
    known = ("obs_publisher_dids", "add", "remove", "note", "name")
    for key in change:
        if key not in known:
            raise BasketError(f"'{_short(key)}' is not known of a basket, allowed are: {', '.join(known)}")
    whole = "obs_publisher_dids" in change
    runs = dict.fromkeys(_runs(change, "obs_publisher_dids") if whole else basket.obs_publisher_dids)
    runs |= dict.fromkeys(_runs(change, "add"))
    for run in _runs(change, "remove"):
        runs.pop(run, None)
    if len(runs) > MAX_RUNS:
        raise BasketError(f"the basket would hold {len(runs)} runs, {MAX_RUNS} are allowed")
    note = change.get("note", basket.note)
    if not isinstance(note, str) or len(note) > NOTE_LENGTH or "\0" in note:
        raise BasketError(f"note: allowed is a text of up to {NOTE_LENGTH} letters")
    return replace(
        basket, name=checked_name(change.get("name", basket.name)), obs_publisher_dids=tuple(runs), note=note
    )


def _runs(change: Mapping[str, Any], key: str) -> list[str]:
    runs = change.get(key, [])
    if not isinstance(runs, list) or len(runs) > MAX_RUNS:
        raise BasketError(f"{key}: allowed is a list of up to {MAX_RUNS} identifiers (obs_publisher_did)")
    for run in runs:
        if not (isinstance(run, str) and 0 < len(run) <= DID_LENGTH and run.isprintable()):
            raise BasketError(
                f"{key}: {_short(run)!r} is no identifier, allowed are 1 to {DID_LENGTH} printable characters"
            )
    return runs


def checked_name(name: Any) -> str:
    """The name, if a basket may have it. Raises :class:`BasketError`."""
    good = isinstance(name, str) and name == name.strip() and name.isprintable() and "/" not in name
    if not good or not 0 < len(name) <= NAME_LENGTH:
        raise BasketError(
            f"the name {_short(name)!r} cannot be a basket's, allowed are 1 to {NAME_LENGTH} printable characters "
            "without '/', and no blanks at the ends"
        )
    return str(name)


def _short(value: object) -> str:
    return str(value)[:60]


class BasketStore:
    """The table of baskets. Every method takes the owner, and raises StoreError where the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as connection:
            _metadata.create_all(connection)

    def overview(self, owner: str) -> list[dict[str, Any]]:
        """``name``, ``count`` and ``modified`` of each basket, in the order of their names."""
        columns = (_baskets.c.name, _baskets.c.count, _baskets.c.modified)
        with self._database.connect() as connection:
            rows = connection.execute(sa.select(*columns).where(_baskets.c.owner == owner)).all()
        found = [{"name": name, "count": count, "modified": _time(time)} for name, count, time in rows]
        return sorted(found, key=lambda basket: str(basket["name"]).casefold())

    def get(self, owner: str, name: str) -> Basket:
        """Raises NotFound."""
        with self._database.connect() as connection:
            found = _read(connection, owner, name)
        if found is None:
            raise _missing(name)
        return found

    def change(self, owner: str, name: str, change: Mapping[str, Any], *, whole: bool = False) -> Basket:
        """Apply :func:`changed` to the basket, with ``whole`` to an empty one, and keep what comes of it.

        A basket that is not there is made, unless there is nothing to be put into it.
        Raises BasketError, NotFound, and Conflict for too many baskets or a new name that another one has.
        """
        with self._database.transaction() as connection:
            old = _read(connection, owner, name)
            if old is None and not (whole or change.get("add")):
                raise _missing(name)
            basket = changed(Basket(checked_name(name)) if whole or old is None else old, change)
            if old is None or basket.name != name:
                _make_room(connection, owner, basket.name, is_new=old is None)
            _write(connection, owner, name, basket, is_new=old is None)
            return _read(connection, owner, basket.name) or basket

    def delete(self, owner: str, name: str) -> None:
        """Raises NotFound."""
        with self._database.connect() as connection:
            if connection.execute(sa.delete(_baskets).where(*_is(owner, name))).rowcount == 0:
                raise _missing(name)


def _is(owner: str, name: str) -> Iterable[sa.ColumnElement[bool]]:
    return _baskets.c.owner == owner, _baskets.c.name == name


def _read(connection: Connection, owner: str, name: str) -> Basket | None:
    row = connection.execute(sa.select(_baskets).where(*_is(owner, name))).first()
    if row is None:
        return None
    return Basket(row.name, tuple(json.loads(row.obs_publisher_dids)), row.note, _time(row.modified))


def _make_room(connection: Connection, owner: str, name: str, *, is_new: bool) -> None:
    if _read(connection, owner, name) is not None:
        raise Conflict(f"there is a basket {_short(name)!r} already")
    of_owner = sa.select(sa.func.count()).select_from(_baskets).where(_baskets.c.owner == owner)
    if is_new and connection.execute(of_owner).scalar_one() >= MAX_BASKETS:
        raise Conflict(f"there are {MAX_BASKETS} baskets, more are not allowed; delete one first")


def _write(connection: Connection, owner: str, name: str, basket: Basket, *, is_new: bool) -> None:
    values = {
        "name": basket.name,
        "modified": int(utcnow().timestamp() * 1e6),
        "count": len(basket.obs_publisher_dids),
        "obs_publisher_dids": json.dumps(basket.obs_publisher_dids),
        "note": basket.note,
    }
    if is_new:
        connection.execute(sa.insert(_baskets).values(owner=owner, **values))
    else:
        connection.execute(sa.update(_baskets).where(*_is(owner, name)).values(**values))


def _time(microseconds: int) -> str:
    return format_time(datetime.fromtimestamp(microseconds / 1e6, UTC))


def _missing(name: str) -> NotFound:
    return NotFound(f"there is no basket {_short(name)!r}")


class _BasketsMixin:
    def initialize(self, baskets: BasketStore) -> None:
        self.baskets = baskets


class BasketListHandler(_BasketsMixin, ServiceHandler):
    """``/baskets``: the caller's baskets (JSON)."""

    def get(self) -> None:
        self.write({"baskets": self.baskets.overview(self.owner)})

    head = get


class _BasketMixin(_BasketsMixin, FormMixin):
    """``/baskets/<name>``: one of them; PUT replaces the whole, PATCH adds, removes, renames."""

    owner: str

    def get(self, name: str) -> None:
        self.write(asdict(self.baskets.get(self.owner, name)))

    head = get

    def put(self, name: str) -> None:
        self.write(asdict(self.baskets.change(self.owner, name, self._change(), whole=True)))

    def patch(self, name: str) -> None:
        self.write(asdict(self.baskets.change(self.owner, name, self._change())))

    def delete(self, name: str) -> None:
        self.baskets.delete(self.owner, name)
        self.set_status(204)

    def _change(self) -> Mapping[str, Any]:
        try:
            change = json.loads(self.read_value("basket"))
        except (ValueError, RecursionError):
            raise BasketError("the request's body is not JSON") from None
        if not isinstance(change, dict):
            raise BasketError('the request\'s body must be an object of JSON, as {"obs_publisher_dids": [...]}')
        return change


def make_routes(baskets: BasketStore) -> list[tuple[str, type[ServiceHandler], dict[str, Any]]]:
    own: dict[str, Any] = {"baskets": baskets}
    basket_handler: Any = form_handler(_BasketMixin, ServiceHandler)
    return [(r"/baskets", BasketListHandler, own), (r"/baskets/([^/]+)", basket_handler, own)]
