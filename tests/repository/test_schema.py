from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from click.testing import CliRunner
from sqlalchemy import func, select, text, update

from ganforge.errors import ServerFailed
from ganforge.networks import BUILTIN
from ganforge_chassis import migrations
from ganforge_chassis.database import Database
from ganforge_repository.blob_store import RUIN_AGE_MS, DatabaseStore
from ganforge_repository.command import repository as command
from ganforge_repository.db.models import blob_contents, metadata, networks
from tests.repository.conftest import Repository
from tests.repository.files import state_of


def test_the_migrations_make_what_the_models_say(database_url: str) -> None:
    database = Database(database_url)
    migrations.upgrade(database, "ganforge_repository")
    migrations.upgrade(database, "ganforge_repository")
    with database.read() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": migrations.version_table("ganforge_repository"),
                "compare_type": True,
            },
        )

        assert compare_metadata(context, metadata) == []
    database.close()


def test_a_database_of_a_newer_version_is_refused(start: Callable[[], Any]) -> None:
    app = start()
    with app.state.database.write() as connection:
        connection.execute(text("UPDATE ganforge_repository_version SET version_num = 'future'"))
    app.state.database.close()

    with pytest.raises(ServerFailed, match="written by a newer one"):
        start()


def test_many_servers_may_start_on_one_database_at_once(start: Callable[[], Any]) -> None:
    with ThreadPoolExecutor(4) as pool:
        apps = list(pool.map(lambda _: start(), range(4)))

    with apps[0].state.database.read() as connection:
        count = connection.scalar(select(func.count()).select_from(networks))
    assert count == len(BUILTIN)
    for app in apps:
        app.state.database.close()


def test_weights_are_stored_as_they_are_in_large_pages(repository: Repository) -> None:
    with repository.database.read() as connection:
        if repository.database.is_sqlite:
            assert connection.scalar(text("PRAGMA page_size")) == 65_536
        else:
            storage = (
                "SELECT attstorage FROM pg_attribute WHERE attname = 'data' "
                "AND attrelid = 'blob_chunks'::regclass"
            )
            assert connection.scalar(text(storage)) in ("e", b"e")


def test_ruins_of_uploads_are_swept_away_after_an_hour(repository: Repository) -> None:
    store = DatabaseStore(repository.database)
    repository.put(state_of())
    for _ in range(2):
        writer = store.writer()
        writer.write(b"ruin")
        writer.finish()
    with repository.database.write() as connection:
        old = blob_contents.c.touched_at - RUIN_AGE_MS - 1
        aged = update(blob_contents).where(blob_contents.c.id != writer.content)
        connection.execute(aged.values(touched_at=old))

    swept = store.sweep()

    # One ruin is old and goes, one is young and stays; the blob is old and stays.
    assert swept == 1
    assert repository.count("blob_contents") == 2


def test_the_command_says_what_it_takes() -> None:
    answer = CliRunner().invoke(command, ["--help"])

    assert answer.exit_code == 0
    for option in ("--host", "--port", "--data", "--database-url"):
        assert option in answer.output


def test_a_taken_port_is_refused_in_words(repository: Repository, tmp_path: Path) -> None:
    port = repository.url.rpartition(":")[2]

    answer = CliRunner().invoke(command, ["--port", port, "--data", str(tmp_path / "other")])

    assert answer.exit_code != 0
    assert "choose another with --port" in str(answer.exception)
