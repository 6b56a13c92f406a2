"""The database: SQLite with one writer at a time, or PostgreSQL."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, Row, create_engine, event, func, make_url, select
from sqlalchemy.exc import OperationalError

from ganforge.errors import BadInput
from ganforge_chassis.clock import now_ms

POOL_SIZE = 20

BINARY = "ganforge_binary"
"""The execution option of a query for many bytes: PostgreSQL sends them as such, not as hex."""

SQLITE_CACHE_KB = 1024
"""What SQLite keeps of the file for each connection; the system keeps the rest."""

PATIENCE_MS = 10_000
"""How long SQLite waits for another process that writes."""

RESHAPE_PATIENCE_MS = 600_000
"""And for one that changes the schema, which may copy whole tables."""

INCREMENTAL = 2
"""SQLite's number for the kind of vacuum that is done a few pages at a time."""


class Database:
    """Transactions on SQLite or PostgreSQL, written the same way.

    A transaction commits when its block ends and rolls back when the block raises. On SQLite a
    writer starts with BEGIN IMMEDIATE behind a lock of this process, so it never meets
    SQLITE_BUSY half-way; ``FOR UPDATE`` clauses compile to nothing there and are not needed.

    Args:
        url: an SQLAlchemy URL, ``sqlite:///file.db`` or ``postgresql://user@host/name``.
        page_size: SQLite's page size in bytes, applied to a new file only.
    """

    def __init__(self, url: str, *, page_size: int = 4096) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise BadInput(f"databases are sqlite or postgresql, not {parsed.get_backend_name()}")
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.url = parsed.render_as_string(hide_password=True)
        self.engine = _sqlite_engine(parsed, page_size) if self.is_sqlite else _pg_engine(parsed)
        self._writer = threading.Lock() if self.is_sqlite else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(
        self, *, durable: bool = True, patience_ms: int | None = None
    ) -> Iterator[Connection]:
        """Open a transaction that may write.

        Args:
            durable: whether it outlives a loss of power. One that need not waits for no disk; it
                outlives the death of this process like any other, is never torn, and is safe
                once a durable one that came later is. What is lost is of the last moments: on
                PostgreSQL less than a second, on SQLite since the last durable one.
            patience_ms: how long PostgreSQL lets it wait for each lock; for ever when None.
        """
        with self._writer, self.engine.connect() as connection:
            synchronous = "FULL" if durable else "NORMAL"
            connection = connection.execution_options(ganforge_write=synchronous)
            with connection.begin():
                if wishes := self._wishes(durable, patience_ms):
                    connection.exec_driver_sql(wishes)
                yield connection

    def _wishes(self, durable: bool, patience_ms: int | None) -> str:
        """Say what PostgreSQL is to do otherwise in one transaction."""
        wishes = [] if durable else ["SET LOCAL synchronous_commit TO off"]
        wishes += [] if patience_ms is None else [f"SET LOCAL lock_timeout TO {patience_ms}"]
        return "" if self.is_sqlite else "; ".join(wishes)

    @contextmanager
    def reshape(self) -> Iterator[Connection]:
        """Open a transaction that may change the schema.

        On SQLite it waits as long as a migration of another process takes, and references are
        looked at by nobody meanwhile: a table that is made anew would take along all rows that
        refer to it.
        """
        if not self.is_sqlite:
            with self.write() as connection:
                yield connection
            return
        with self._writer, self.engine.connect() as connection:
            cursor = connection.connection.cursor()
            # Neither can be changed within a transaction.
            cursor.execute(f"PRAGMA busy_timeout={RESHAPE_PATIENCE_MS}")
            cursor.execute("PRAGMA foreign_keys=OFF")
            try:
                connection = connection.execution_options(ganforge_write="FULL")
                with connection.begin():
                    yield connection
            finally:
                cursor.execute("PRAGMA foreign_keys=ON")
                cursor.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
                cursor.close()

    def give_back(self, pages: int) -> bool:
        """Cut so many free pages off SQLite's file, and tell whether there may be more.

        PostgreSQL does so by itself; a file older than this habit keeps its pages, for new rows.
        """
        if not self.is_sqlite:
            return False
        with self.write(durable=False) as connection:
            if connection.exec_driver_sql("PRAGMA auto_vacuum").scalar_one() != INCREMENTAL:
                return False
            for _ in range(pages):  # one at a time: Python's sqlite3 stops after the first
                connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")
            return bool(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())

    def now_ms(self) -> int:
        """Ask the database what time it is."""
        with self.read() as connection:
            return now(connection)

    def complaint(self) -> str | None:
        """Say what is wrong with the database; None when it answers."""
        try:
            self.now_ms()
        except OperationalError as error:
            return f"{self.url} does not answer ({str(error.orig).strip().splitlines()[0]})"
        return None

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def now(connection: Connection) -> int:
    """Ask the database what time it is, in milliseconds since 1970."""
    return int(connection.execute(select(now_ms())).scalar_one())


def take_turns(connection: Connection, topic: str) -> None:
    """Let writing transactions of one topic come one after the other, until each has ended.

    For what no row stands for yet, so that none can be locked. On SQLite all writers do anyway.
    """
    if connection.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(topic.encode()).digest()[:8], signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(key)))


def as_dict(row: Row[Any]) -> dict[str, Any]:
    """Give a row's columns by name."""
    return dict(row._mapping)


def _sqlite_engine(url: Any, page_size: int) -> Engine:
    engine = create_engine(
        url, pool_size=POOL_SIZE, max_overflow=20, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        # SQLAlchemy's docs, "Enabling Non-Legacy SQLite Transactional Modes": we emit BEGIN.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
        if not cursor.execute("PRAGMA page_count").fetchone()[0]:
            # Of a new file only: it writes, and so would wait for other writers.
            cursor.execute(f"PRAGMA page_size={page_size}")
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in (
            f"cache_size=-{SQLITE_CACHE_KB}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        synchronous = connection.get_execution_options().get("ganforge_write")
        if synchronous is None:
            connection.exec_driver_sql("BEGIN")
            return
        if connection.info.get("synchronous", "FULL") != synchronous:
            connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
            connection.info["synchronous"] = synchronous
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _pg_engine(url: Any) -> Engine:
    engine = create_engine(url, pool_size=POOL_SIZE, max_overflow=20, pool_pre_ping=True)

    @event.listens_for(engine, "before_cursor_execute")
    def choose_format(
        connection: Any, cursor: Any, statement: Any, parameters: Any, context: Any, many: Any
    ) -> None:
        if context is not None and context.execution_options.get(BINARY):
            cursor.format = 1

    return engine
