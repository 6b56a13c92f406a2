"""Blobs: whole, checked files, each known by its digest."""

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, select

from ganforge.errors import GanforgeError, NotFound
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database
from ganforge_repository.blob_store import BlobStore
from ganforge_repository.db.models import blobs
from ganforge_repository.db.queries import insert_new
from ganforge_repository.upload import Received


@contextmanager
def registering(
    database: Database, store: BlobStore, received: Received
) -> Iterator[tuple[Connection, bool]]:
    """Open the transaction in which a file becomes a blob; says also whether it is new.

    Bytes that turn out to be known already, or whose transaction is refused, are forgotten.
    After any other failure nobody knows whether the commit went through: those are left to
    ``BlobStore.sweep``, which asks the database.
    """
    is_new = False
    try:
        with database.write() as connection:
            values = dataclasses.asdict(received)
            is_new = insert_new(connection, blobs, **values, created_at=now_ms())
            yield connection, is_new
    except GanforgeError:
        store.delete(received.content)
        raise
    if not is_new:
        store.delete(received.content)


def find(connection: Connection, digest: str) -> Row[Any]:
    """Find a blob's row.

    Raises:
        NotFound: there is none.
    """
    row = connection.execute(select(blobs).where(blobs.c.digest == digest)).one_or_none()
    if row is None:
        raise NotFound(f"there is no blob {digest}")
    return row


def find_all(connection: Connection, digests: Iterable[str]) -> dict[str, Row[Any]]:
    """Find the rows of those blobs that exist, by digest."""
    rows = connection.execute(select(blobs).where(blobs.c.digest.in_(set(digests))))
    return {row.digest: row for row in rows}


def signature(row: Row[Any]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Tell the tensors of a safetensors blob: name -> (dtype, shape)."""
    return {
        tensor["name"]: (tensor["dtype"], tuple(tensor["shape"])) for tensor in row.tensors or []
    }
