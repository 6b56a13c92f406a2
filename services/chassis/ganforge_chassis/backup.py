"""Backups: a consistent copy of a database while servers go on using it, looked over afterwards."""

import os
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import MetaData

from ganforge.errors import Conflict, NotFound, ServerFailed
from ganforge_chassis import postgres_tools
from ganforge_chassis.condition import examine, sqlite_file
from ganforge_chassis.database import Database
from ganforge_chassis.migrations import schema_of, version_table

PAGES_AT_ONCE = 512

Progress = Callable[[int, int], None]
"""Told how many of how many pages are copied."""


def back_up(
    url: str, to: Path, *, package: str, metadata: MetaData, progress: Progress = lambda *_: None
) -> None:
    """Copy a database to a new file, which is there whole and sound or not at all.

    An SQLite database becomes one again; of a PostgreSQL database ``pg_dump`` makes an archive for
    ``pg_restore``.

    Raises:
        Conflict: there is such a file already.
        NotFound: there is no such database, or no ``pg_dump`` that can read it.
        ServerFailed: the copy could not be made, or is not sound; nothing is left of it.
    """
    if to.exists():
        raise Conflict(f"{to} is there already, and a backup overwrites nothing: name another file")
    to.parent.mkdir(parents=True, exist_ok=True)
    partial = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
    try:
        if (file := sqlite_file(url)) is not None:
            _copy_sqlite(file, partial, progress)
            _look_over_sqlite(partial, package, metadata)
        else:
            _dump_postgres(url, partial, package)
        _keep(partial, to)
    finally:
        partial.unlink(missing_ok=True)


def _copy_sqlite(file: Path, to: Path, progress: Progress) -> None:
    if not file.exists():
        raise NotFound(f"there is no database {file}: nothing to back up")
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as source,
        closing(sqlite3.connect(to)) as target,
    ):
        # Held open, this keeps one state in view: else every write of a server, several a second,
        # would make the copy begin anew (sqlite.org/c3ref/backup_finish.html).
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(
            target,
            pages=PAGES_AT_ONCE,
            progress=lambda _, left, total: progress(total - left, total),
        )


def _look_over_sqlite(copy: Path, package: str, metadata: MetaData) -> None:
    database = Database(f"sqlite:///{copy}")
    try:
        found = examine(database, package, metadata)
    finally:
        database.close()
    if found.problems:
        raise ServerFailed(
            f"the copy is not sound ({found.problems[0]}), so it was dropped: look at the database "
            "itself with `ganforge db check`"
        )


def _dump_postgres(url: str, to: Path, package: str) -> None:
    database = Database(url)
    try:
        with database.read() as connection:
            major = (
                int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
            )
            revision = schema_of(connection, package).current
    finally:
        database.close()
    tools = postgres_tools.find(major)
    tools.dump(url, to)
    if revision is not None and revision not in tools.rows(to, version_table(package)):
        raise ServerFailed("the archive does not hold the schema's version, so it was dropped")


def _keep(partial: Path, to: Path) -> None:
    """Give a file its name, once all of it is on the disk; a name that was taken stays as it is."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(partial, to)
    except FileExistsError:
        raise Conflict(f"{to} has come up meanwhile: name another file") from None
