"""The tokens that admins give out; of each, nothing but its SHA-256 is kept."""

import hmac
import uuid
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, insert, or_, select, update

from ganforge.errors import NotFound
from ganforge.wire.tokens import IssuedToken, NewToken, Role, TokenInfo
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database, now
from ganforge_chassis.tokens import Caller, Lookup, digest_of, new_token
from ganforge_coordinator.db.models import api_tokens
from ganforge_coordinator.events import instant

USED_MS = 60_000
"""How exactly the last use is known; were it noted each time, every request would be a write."""


def issue(connection: Connection, wanted: NewToken) -> IssuedToken:
    """Make a token; this is the only time that it is told."""
    token = new_token()
    time = now(connection)
    lifetime = wanted.lifetime_seconds
    values = {
        "id": str(uuid.uuid4()),
        "sha256": digest_of(token).hex(),
        "role": wanted.role,
        "principal": wanted.principal,
        "created_ms": time,
        "expires_ms": None if lifetime is None else time + lifetime * 1000,
    }
    row = connection.execute(insert(api_tokens).values(values).returning(*api_tokens.c))
    return IssuedToken(**dict(_info(row.mappings().one())), token=token)


def listing(
    connection: Connection, *, after: list[object] | None, limit: int
) -> list[tuple[TokenInfo, list[object]]]:
    """Tell of the tokens, oldest first, each with what a page after it begins behind."""
    wanted = select(api_tokens).order_by(api_tokens.c.created_ms, api_tokens.c.id).limit(limit)
    if after is not None:
        time, token_id = after
        wanted = wanted.where(
            (api_tokens.c.created_ms > time)
            | ((api_tokens.c.created_ms == time) & (api_tokens.c.id > token_id))
        )
    rows = connection.execute(wanted).mappings()
    return [(_info(row), [row["created_ms"], row["id"]]) for row in rows]


def revoke(connection: Connection, token_id: str) -> None:
    """Forget a token: from now on nobody knows it.

    Raises:
        NotFound: there is none of this id.
    """
    gone = connection.execute(delete(api_tokens).where(api_tokens.c.id == token_id))
    if not gone.rowcount:
        raise NotFound(f"there is no token {token_id!r}; list those there are")


def lookup(database: Database) -> Lookup:
    """Make a function that finds out whose a token is, and notes that it was used."""

    def find(token: str) -> Caller | None:
        sha256 = digest_of(token).hex()
        with database.read() as connection:
            time = now(connection)
            row = connection.execute(_unexpired(sha256)).mappings().one_or_none()
        if row is None or not hmac.compare_digest(row["sha256"], sha256):
            return None
        if (row["last_used_ms"] or 0) < time - USED_MS:
            with database.write() as connection:
                used = update(api_tokens).where(api_tokens.c.id == row["id"])
                connection.execute(used.values(last_used_ms=now_ms()))
        return Caller(Role(row["role"]), row["principal"])

    return find


def _unexpired(sha256: str) -> Select[Any]:
    lives = or_(api_tokens.c.expires_ms.is_(None), api_tokens.c.expires_ms > now_ms())
    return select(api_tokens).where(api_tokens.c.sha256 == sha256, lives)


def _info(row: RowMapping) -> TokenInfo:
    return TokenInfo(
        id=row["id"],
        role=Role(row["role"]),
        principal=row["principal"],
        created_at=instant(row["created_ms"]),
        expires_at=None if row["expires_ms"] is None else instant(row["expires_ms"]),
        last_used_at=None if row["last_used_ms"] is None else instant(row["last_used_ms"]),
    )
