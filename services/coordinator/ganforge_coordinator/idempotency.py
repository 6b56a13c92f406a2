"""Answers kept under the Idempotency-Key they were asked for with, so that they can be repeated.

As draft-ietf-httpapi-idempotency-key-header-07 says; only what has succeeded is kept, so that a
request that was refused may be mended and sent under the same key.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from ganforge import digest
from ganforge.errors import IdempotencyKeyReused, StillRunning
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import take_turns
from ganforge_coordinator.db.models import idempotency_keys

KEPT_MS = 24 * 3_600_000


@dataclass(frozen=True)
class Answer:
    """An answer as it goes out."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A request that may come again: whose it is, its key, and what it says."""

    principal: str
    key: str
    said: bytes


def recall(connection: Connection, request: Request) -> Answer | None:
    """Give the answer that the request got before; None when it is new.

    Until the transaction ends, the same request waits its turn on every other coordinator.

    Raises:
        IdempotencyKeyReused: the key came before with a request that said something else.
    """
    take_turns(connection, f"idempotency key {request.principal} {request.key}")
    kept = connection.execute(
        select(idempotency_keys).where(
            *_same(request), idempotency_keys.c.created_ms > now_ms() - KEPT_MS
        )
    ).one_or_none()
    if kept is None:
        return None
    if kept.fingerprint != digest.of_bytes(request.said):
        raise IdempotencyKeyReused("this Idempotency-Key came before with another request")
    return Answer(kept.body, kept.status, kept.headers)


def keep(connection: Connection, request: Request, answer: Answer) -> None:
    """Keep the answer for a day; call ``recall`` first, in the same transaction."""
    connection.execute(delete(idempotency_keys).where(*_same(request)))  # of the day before
    connection.execute(
        insert(idempotency_keys).values(
            principal=request.principal,
            key=request.key,
            fingerprint=digest.of_bytes(request.said),
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            created_ms=now_ms(),
        )
    )


def _same(request: Request) -> tuple[ColumnElement[bool], ...]:
    return (
        idempotency_keys.c.principal == request.principal,
        idempotency_keys.c.key == request.key,
    )


class InHand:
    """The requests that this process is answering.

    Only of this process, so that nothing is left behind when it is killed: on another
    coordinator the same request waits for its turn and is then given the same answer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[tuple[str, str]] = set()

    @contextmanager
    def alone(self, request: Request) -> Iterator[None]:
        """Hold the request's key until the block ends.

        Raises:
            StillRunning: the key is held already.
        """
        held = (request.principal, request.key)
        with self._lock:
            if held in self._keys:
                raise StillRunning("this request is being answered: ask again in a second")
            self._keys.add(held)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(held)
