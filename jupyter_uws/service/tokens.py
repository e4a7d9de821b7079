"""Tokens of users, for sites without a Hub: one table, which holds their digests only.

``jupyter uws token`` writes it, the service reads it at every request: a token that is revoked is so at once.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ..uws.database import Database
from ..uws.errors import UsageError
from ..uws.times import utcnow

#: What a token begins with: those who search for secrets that were published by mistake find it.
PREFIX = "uws_"
OWNER_LENGTH = 200
NOTE_LENGTH = 200
LONGEST = timedelta(days=3650)

_metadata = sa.MetaData()
_tokens = sa.Table(
    "tokens",
    _metadata,
    sa.Column("token_id", sa.String(16), primary_key=True),
    # SHA-256 of 256 random bits: nothing to guess, so nothing to slow guessing down
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("owner", sa.String(OWNER_LENGTH), nullable=False),
    sa.Column("note", sa.String(NOTE_LENGTH), nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),  # microseconds since 1970, UTC
    sa.Column("expires", sa.BigInteger, nullable=False),
)
_OWNER = sa.select(_tokens.c.owner).where(
    _tokens.c.digest == sa.bindparam("digest"), _tokens.c.expires > sa.bindparam("now")
)


@dataclass(frozen=True)
class Token:
    """What is known of a token; not the token itself."""

    token_id: str
    owner: str
    note: str
    created: datetime
    expires: datetime


class TokenStore:
    """The table of tokens. Every method raises StoreError where the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction() as connection:
            _metadata.create_all(connection)

    def create(self, owner: str, lifetime: timedelta, note: str = "") -> tuple[str, Token]:
        """A new token of ``owner``: itself, which nobody can read again, and what is kept of it.

        Raises UsageError that names what cannot be.
        """
        _check(owner, lifetime, note)
        now = utcnow()
        known = Token(secrets.token_hex(4), owner, note, now, now + lifetime)
        token = PREFIX + secrets.token_urlsafe(32)
        values = {**vars(known), "created": _number(now), "expires": _number(known.expires), "digest": _digest(token)}
        with self._database.connect() as connection:
            connection.execute(sa.insert(_tokens), values)
        return token, known

    def owner(self, token: str) -> str | None:
        """Whose token it is; None where it is none, has expired, or was revoked."""
        if not token.startswith(PREFIX):
            return None
        with self._database.connect() as connection:
            found = connection.execute(_OWNER, {"digest": _digest(token), "now": _number(utcnow())}).scalar()
        return None if found is None else str(found)

    def all(self, owner: str | None = None) -> list[Token]:
        """Those of an owner, or of all, the oldest first; expired ones, too, until they are revoked."""
        statement = sa.select(_tokens).order_by(_tokens.c.created)
        if owner is not None:
            statement = statement.where(_tokens.c.owner == owner)
        with self._database.connect() as connection:
            return [_token(row) for row in connection.execute(statement)]

    def revoke(self, *, token_id: str | None = None, owner: str | None = None) -> int:
        """Remove the token of that id, or all of an owner; returns how many there were."""
        if (token_id is None) == (owner is None):
            raise ValueError("either token_id or owner")
        chosen = _tokens.c.token_id == token_id if owner is None else _tokens.c.owner == owner
        with self._database.connect() as connection:
            return int(connection.execute(sa.delete(_tokens).where(chosen)).rowcount)


def _check(owner: str, lifetime: timedelta, note: str) -> None:
    if not (0 < len(owner) <= OWNER_LENGTH and owner.isprintable()):
        raise UsageError(f"owner {owner[:60]!r}: allowed are 1 to {OWNER_LENGTH} printable characters")
    if not timedelta(0) < lifetime <= LONGEST:
        raise UsageError(f"lifetime of {lifetime.total_seconds() / 86400:g} days: allowed are 0 to {LONGEST.days} days")
    if not (len(note) <= NOTE_LENGTH and note.isprintable()):
        raise UsageError(f"note {note[:60]!r}: allowed are up to {NOTE_LENGTH} printable characters")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _number(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000)


def _token(row: Any) -> Token:
    created, expires = (datetime.fromtimestamp(value / 1_000_000, UTC) for value in (row.created, row.expires))
    return Token(row.token_id, row.owner, row.note, created, expires)
