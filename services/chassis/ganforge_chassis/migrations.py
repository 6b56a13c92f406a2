"""Schema migrations: which there are, which are due, and how they are carried out."""

import functools
import importlib.resources
import logging
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import OperationalError

import ganforge
from ganforge.errors import Conflict, ServerFailed
from ganforge_chassis.database import Database, take_turns

logger = logging.getLogger(__name__)

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names for constraints, so that SQLite's batch migrations can find them."""

LOCK_SECONDS = 10

_one_at_a_time = threading.Lock()  # alembic keeps the migration in hand in a global


class Upgrade(StrEnum):
    """Whether a server brings an older schema up to date when it starts."""

    AUTO = "auto"  # on SQLite, whose only server it is; elsewhere only what is empty
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True)
class Schema:
    """A database's schema, and what this version of ganforge would make of it."""

    current: str | None  # its revision; None when there is none yet
    newest: str
    pending: tuple[str, ...]  # what an upgrade does, a line each; empty when it is unknown too
    is_known: bool


def schema_of(connection: Connection, package: str) -> Schema:
    """Look at the schema of the service ``package``."""
    current = _current(connection, package)
    scripts = ScriptDirectory.from_config(_config(package))
    newest_first = list(scripts.walk_revisions())
    names = [script.revision for script in newest_first]
    is_known = current is None or current in names
    due = newest_first[: names.index(current) if current in names else None] if is_known else []
    return Schema(
        current=current,
        newest=names[0],
        pending=tuple(f"{script.revision}: {script.doc}" for script in reversed(due)),
        is_known=is_known,
    )


def prepare(database: Database, package: str, when: Upgrade) -> None:
    """Make the schema of the service ``package`` the one it needs, or say why not.

    May be called by many servers at once.

    Raises:
        ServerFailed: the schema is one of a newer version of ganforge, or an older one that
            servers are not to upgrade.
        Conflict: as ``upgrade``.
    """
    with database.read() as connection:
        schema = schema_of(connection, package)
    _refuse_the_unknown(database, schema)
    if not schema.pending:
        return
    is_empty = schema.current is None
    if when is Upgrade.NEVER or (when is Upgrade.AUTO and not (database.is_sqlite or is_empty)):
        raise ServerFailed(
            f"the database {database.url} has {_in_words(schema.current)}, and ganforge "
            f"{ganforge.__version__} needs {schema.newest}: make a backup with `ganforge db "
            "backup`, then run `ganforge db upgrade` (GANFORGE_UPGRADE=always leaves it to servers)"
        )
    upgrade(database, package)


def upgrade(
    database: Database, package: str, to: str = "head", *, lock_seconds: int = LOCK_SECONDS
) -> Schema:
    """Bring the schema of the service ``package`` up to date; of many at once, one does it.

    Args:
        database: whose schema.
        package: the service's, with its migrations in ``db/migrations``.
        to: the revision to stop at.
        lock_seconds: how long to wait for a table on PostgreSQL; whoever asks for that table
            meanwhile waits behind the migration.

    Returns:
        The schema as it was, with what was done in ``pending``.

    Raises:
        ServerFailed: the database was written by a newer version of ganforge.
        Conflict: others use the tables so much that they cannot be changed now.
    """
    config = _config(package)
    try:
        with _one_at_a_time, database.reshape() as connection:
            take_turns(connection, "migrations")
            schema = schema_of(connection, package)
            _refuse_the_unknown(database, schema)
            if schema.pending:
                _let_waiting_end(connection, lock_seconds)
                config.attributes["connection"] = connection
                command.upgrade(config, to)
                _check_references(connection)
                logger.info("schema upgraded", extra={"package": package, "to": to})
    except OperationalError as error:
        if _is_about_locks(error):
            raise Conflict(
                f"the tables of {database.url} are in use, so nothing was changed: end the servers "
                "that use it, then upgrade again"
            ) from error
        raise
    return schema


def complaint(database: Database, package: str) -> str | None:
    """Say what is wrong with the schema of ``package``; None when it is the newest we know."""
    with database.read() as connection:
        current = _current(connection, package)
    newest = _newest(package)
    return None if current == newest else f"the schema is {current}, not {newest}"


@functools.cache
def _newest(package: str) -> str | None:
    return ScriptDirectory.from_config(_config(package)).get_current_head()


def _current(connection: Connection, package: str) -> str | None:
    options = {"version_table": version_table(package)}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def run(metadata: MetaData, package: str) -> None:
    """Run the migrations of ``package`` on the connection in hand; the body of its ``env.py``."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=version_table(package),
        render_as_batch=True,
    )
    context.run_migrations()


def version_table(package: str) -> str:
    """Name the table that tells the schema's version, one per service."""
    return f"{package}_version"


def _config(package: str) -> Config:
    config = Config()
    folder = importlib.resources.files(package) / "db" / "migrations"
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return config


def _refuse_the_unknown(database: Database, schema: Schema) -> None:
    if not schema.is_known:
        raise ServerFailed(
            f"the database {database.url} has schema {schema.current}, which ganforge "
            f"{ganforge.__version__} does not know (its newest is {schema.newest}): it was written "
            "by a newer one; install that"
        )


def _in_words(revision: str | None) -> str:
    return "no schema yet" if revision is None else f"schema {revision}"


def _let_waiting_end(connection: Connection, seconds: int) -> None:
    """Wait for tables for a while only; the turn among upgrades has been had by now."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{seconds}s'")


def _is_about_locks(error: OperationalError) -> bool:
    """Whether PostgreSQL gave up waiting (55P03, lock_not_available), or SQLite did."""
    cause: Any = error.orig
    return getattr(cause, "sqlstate", None) == "55P03" or "database is locked" in str(cause)


def _check_references(connection: Connection) -> None:
    """Let no migration leave rows behind that refer to nothing; SQLite was told not to look."""
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            tables = sorted({str(row[0]) for row in broken})
            raise ServerFailed(
                f"rows of {', '.join(tables)} refer to rows that are not there, so nothing was "
                "changed: restore a backup, or report it"
            )
