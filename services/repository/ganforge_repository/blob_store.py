"""Where bytes are kept: a small interface, and the store inside the database."""

import uuid
from collections.abc import Iterator
from typing import Any, Protocol

from psycopg.pq import Format
from sqlalchemy import Connection, Delete, delete, event, exists, insert, select, update

from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database, now
from ganforge_repository.db.models import blob_chunks, blob_contents, blobs
from ganforge_repository.db.queries import insert_new

CHUNK_BYTES = 1 << 20
CHUNKS_PER_COMMIT = 4
RUIN_AGE_MS = 3_600_000


class Writer(Protocol):
    """Takes the bytes of one file; nobody can read them before a blob names ``content``."""

    content: str

    def write(self, block: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> None:
        """Make all bytes durable."""

    def discard(self) -> None:
        """Forget the bytes; may be called twice."""


class BlobStore(Protocol):
    """Keeps bytes under names of its own; files and S3 are to be further ones."""

    def writer(self) -> Writer:
        """Begin a file."""

    def read(self, content: str, begin: int, end: int) -> Iterator[bytes]:
        """Give the bytes ``begin`` to ``end`` of a finished file in pieces of 1 MiB or less."""

    def delete(self, content: str) -> None:
        """Forget a file that no blob names; forgetting it twice is no error."""

    def sweep(self) -> int:
        """Forget files that were begun and never came to be a blob; tells how many."""


class DatabaseStore:
    """Keeps bytes in chunk rows of the database itself.

    Args:
        database: the repository's own, so that a blob's row and its bytes share a backup.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        if not database.is_sqlite:
            event.listen(database.engine, "before_cursor_execute", _ask_for_binary)

    def writer(self) -> "DatabaseWriter":
        """Begin a file."""
        return DatabaseWriter(self._database)

    def read(self, content: str, begin: int, end: int) -> Iterator[bytes]:
        """Give the bytes ``begin`` to ``end``, a chunk at a time.

        Each chunk is its own transaction: chunks never change, and a slow reader holds neither a
        connection nor an old page of the database's log.

        Raises:
            NoResultFound: the file was deleted meanwhile.
        """
        for number in range(begin // CHUNK_BYTES, -(-end // CHUNK_BYTES)):
            with self._database.read() as connection:
                is_wanted = (blob_chunks.c.content_id == content, blob_chunks.c.number == number)
                chunk: bytes = connection.scalars(
                    select(blob_chunks.c.data).where(*is_wanted),
                    execution_options={"ganforge_binary": True},
                ).one()
            start = number * CHUNK_BYTES
            yield chunk[max(begin - start, 0) : end - start]

    def delete(self, content: str) -> None:
        """Forget a file with all its chunks, but for one that a blob names."""
        with self._database.write() as connection:
            connection.execute(_unnamed().where(blob_contents.c.id == content))

    def sweep(self) -> int:
        """Forget uploads that nobody has written to for an hour."""
        with self._database.write() as connection:
            is_old = blob_contents.c.touched_at < now(connection) - RUIN_AGE_MS
            return connection.execute(_unnamed().where(is_old)).rowcount


def _ask_for_binary(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> None:
    # As text, PostgreSQL sends every byte as two hex digits: half the speed.
    if context.execution_options.get("ganforge_binary"):
        cursor.format = Format.BINARY


def _unnamed() -> Delete:
    return delete(blob_contents).where(~exists().where(blobs.c.content == blob_contents.c.id))


class DatabaseWriter:
    """Writes chunk rows, a few to each short transaction.

    So the writer lock of SQLite is never held while bytes are awaited, and memory holds no more
    than ``CHUNKS_PER_COMMIT`` chunks.
    """

    def __init__(self, database: Database) -> None:
        self.content = uuid.uuid4().hex
        self._database = database
        self._chunks: list[bytes] = []
        self._buffer = bytearray()
        self._number = 0

    def write(self, block: bytes) -> None:
        """Take the next bytes, in blocks of any size."""
        if not self._buffer and len(block) == CHUNK_BYTES:
            self._chunks.append(block)
        else:
            self._buffer += block
            while len(self._buffer) >= CHUNK_BYTES:
                self._chunks.append(bytes(self._buffer[:CHUNK_BYTES]))
                del self._buffer[:CHUNK_BYTES]
        if len(self._chunks) >= CHUNKS_PER_COMMIT:
            self._commit()

    def finish(self) -> None:
        """Write what is left, the short last chunk too."""
        if self._buffer:
            self._chunks.append(bytes(self._buffer))
            self._buffer.clear()
        self._commit()

    def discard(self) -> None:
        """Forget the file with all its chunks."""
        self._chunks.clear()
        with self._database.write() as connection:
            connection.execute(_unnamed().where(blob_contents.c.id == self.content))

    def _commit(self) -> None:
        rows = [
            {"content_id": self.content, "number": number, "data": chunk}
            for number, chunk in enumerate(self._chunks, self._number)
        ]
        if not rows:
            return
        touched = {"touched_at": now_ms()}
        with self._database.write() as connection:
            if not insert_new(connection, blob_contents, id=self.content, **touched):
                mine = update(blob_contents).where(blob_contents.c.id == self.content)
                connection.execute(mine.values(**touched))
            connection.execute(insert(blob_chunks), rows)
        self._number += len(rows)
        self._chunks.clear()
