"""The condition of a database: its schema, whether it is sound, and how large it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, make_url
from sqlalchemy.exc import DBAPIError

from ganforge_chassis.database import Database
from ganforge_chassis.migrations import Schema, schema_of, version_table

PROBLEMS_TOLD = 20
"""How many problems of one kind are listed: the first few say what is wrong."""


@dataclass(frozen=True)
class Condition:
    """What was found; sound when there are no ``problems``.

    ``schema`` is None when the database could not be read, ``free_bytes`` is what deleted rows
    have left in SQLite's file.
    """

    schema: Schema | None
    size_bytes: int | None
    free_bytes: int | None
    problems: tuple[str, ...]


def examine(database: Database, package: str, metadata: MetaData) -> Condition:
    """Look at all of a database, without changing anything; on SQLite every page is read.

    Args:
        database: which one.
        package: the service it belongs to.
        metadata: the tables that the service's newest schema has.
    """
    schema = size = free = None
    problems: list[str] = []
    try:
        with database.read() as connection:
            problems += _damage(connection)
            size, free = _size(connection)
            schema = schema_of(connection, package)
            problems += _strangeness(connection, schema, package, metadata)
    except DBAPIError as error:
        problems.append(unreadable(error))
    return Condition(schema, size, free, tuple(problems))


def sqlite_file(url: str) -> Path | None:
    """Name the file of an SQLite database; None for others, and for one in memory."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database))


def _damage(connection: Connection) -> Iterator[str]:
    if connection.dialect.name != "sqlite":
        broken = connection.exec_driver_sql(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT (indisvalid AND indisready)"
        )
        for (index,) in broken.fetchmany(PROBLEMS_TOLD):
            yield f"index {index} is not valid: make it anew with REINDEX INDEX CONCURRENTLY"
        return
    for (told,) in connection.exec_driver_sql(f"PRAGMA integrity_check({PROBLEMS_TOLD})"):
        if told != "ok":
            yield f"integrity: {told}"
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check")
    for table, row, parent, _ in orphans.fetchmany(PROBLEMS_TOLD):
        yield f"row {row} of {table} refers to a row of {parent} that is not there"


def _strangeness(
    connection: Connection, schema: Schema, package: str, metadata: MetaData
) -> Iterator[str]:
    """Tell where the tables are not what the schema's revision says."""
    if not schema.is_known:
        yield f"schema {schema.current} was written by a newer version of ganforge: install that"
        return
    if schema.pending:
        return
    # Both services' tables may stand in one database.
    options = {
        "version_table": version_table(package),
        "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,
    }
    context = MigrationContext.configure(connection, opts=options)
    for change in compare_metadata(context, metadata)[:PROBLEMS_TOLD]:
        yield f"the tables are not those of schema {schema.current}: {_of_change(change)}"


def _of_change(change: object) -> str:
    """Say a difference that alembic found: its kind, and of what."""
    if isinstance(change, list):
        return "; ".join(map(_of_change, change))
    assert isinstance(change, tuple)
    kind, *about = change
    names = [getattr(one, "name", one) for one in about]
    return " ".join(str(name) for name in (kind.replace("_", " "), *names) if name is not None)


def _size(connection: Connection) -> tuple[int, int | None]:
    if connection.dialect.name != "sqlite":
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())")
        return int(size.scalar_one()), None
    page, pages, free = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_size", "page_count", "freelist_count")
    )
    return page * pages, page * free


def unreadable(error: DBAPIError) -> str:
    """Say why a database cannot be read."""
    why = str(error.orig).strip().partition("\n")[0]
    return f"it cannot be read: {why}"
