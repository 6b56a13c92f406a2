"""Schema migrations: brought up to date at start, refused when they are from the future."""

import functools
import importlib.resources
import threading
from typing import Any

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from ganforge.errors import ServerFailed
from ganforge_chassis.database import Database, take_turns

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names for constraints, so that SQLite's batch migrations can find them."""

_one_at_a_time = threading.Lock()  # alembic keeps the migration in hand in a global


def upgrade(database: Database, package: str, to: str = "head") -> None:
    """Bring the schema of the service ``package`` up to date; may be called by many at once.

    Args:
        database: whose schema.
        package: the service's, with its migrations in ``db/migrations``.
        to: the revision to stop at.

    Raises:
        ServerFailed: the database was written by a newer version of ganforge.
    """
    config = _config(package)
    with _one_at_a_time, database.write() as connection:
        take_turns(connection, "migrations")
        _refuse_the_unknown(database, connection, config, package)
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def complaint(database: Database, package: str) -> str | None:
    """Say what is wrong with the schema of ``package``; None when it is the newest we know."""
    with database.read() as connection:
        current = _current(connection, package)
    newest = _newest(package)
    return None if current == newest else f"the schema is {current}, not {newest}"


@functools.cache
def _newest(package: str) -> str | None:
    return ScriptDirectory.from_config(_config(package)).get_current_head()


def _current(connection: Any, package: str) -> str | None:
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


def _refuse_the_unknown(database: Database, connection: Any, config: Config, package: str) -> None:
    current = _current(connection, package)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise ServerFailed(
            f"the database {database.url} has schema {current}, which this version of ganforge "
            "does not know: it was written by a newer one; install that"
        )
