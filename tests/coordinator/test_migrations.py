"""The schema: what the migrations make is what the models say, however many start at once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from ganforge.errors import ServerFailed
from ganforge_chassis import migrations
from ganforge_chassis.database import Database
from ganforge_coordinator.app import create_app
from ganforge_coordinator.db.models import attempt_members, jobs, learners, metadata
from ganforge_coordinator.settings import CoordinatorSettings
from tests.coordinator.conftest import settings
from tests.support.postgres import PostgresServer

PACKAGE = "ganforge_coordinator"
START = """
import sys
from pathlib import Path
from ganforge_coordinator.app import create_app
from tests.coordinator.conftest import settings

app = create_app(settings(Path(sys.argv[1]), sys.argv[2]))
app.state.database.close()
"""

OLD_JOB = (
    "INSERT INTO jobs (id, networks, dataset, strategy, config, tag, target_count, priority, "
    "state, desired, epoch, attempt_id, failures, losses, max_failures, max_losses, run_after_ms, "
    "iteration, weights, last_seq, created_ms, updated_ms) VALUES ('{job}', '[]', 'MNIST', "
    "'GANLearningStrategy', '{{}}', 'tag', 1, 0, 'RUNNING', 'RUN', 1, '{attempt}', 0, 0, 3, 10, "
    "0, 0, '{{}}', 0, 0, 0)"
)
OLD_ATTEMPT = (
    "INSERT INTO attempts (id, job_id, epoch, state, started, resume_iteration, started_ms) "
    "VALUES ('{attempt}', '{job}', 1, 'ACTIVE', true, 0, 0)"
)
OLD_MEMBER = (
    "INSERT INTO attempt_members (attempt_id, rank, learner_id, claim_key, active, "
    "lease_until_ms, next_seq) VALUES ('{attempt}', 0, 'ada', '{attempt}', true, 0, 0)"
)
OLD_LEARNER = (
    "INSERT INTO learners (id, name, boot_id, is_current, device, labels, version, datasets, "
    "strategies, last_seen_ms) VALUES ('ada', 'ada', 'boot', true, 'cpu', '{}', '0', '[]', '[]', 0)"
)
OLD_ROWS = [
    OLD_LEARNER,
    *(
        statement.format(job=f"job-{number}", attempt=f"attempt-{number}")
        for number in (1, 2)
        for statement in (OLD_JOB, OLD_ATTEMPT, OLD_MEMBER)
    ),
]


@pytest.fixture
def database(database_url: str) -> Any:
    database = Database(database_url)
    yield database
    database.close()


def test_the_models_are_what_the_migrations_make(database: Database) -> None:
    migrations.upgrade(database, PACKAGE)
    with database.read() as connection:
        options = {
            "version_table": migrations.version_table(PACKAGE),
            "compare_type": True,
            "compare_server_default": True,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_bringing_up_to_date_twice_changes_nothing(database: Database) -> None:
    migrations.upgrade(database, PACKAGE)
    migrations.upgrade(database, PACKAGE)


def test_a_schema_of_a_newer_version_is_refused_in_words(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    migrations.upgrade(database, PACKAGE)
    with database.write() as connection:
        table = migrations.version_table(PACKAGE)
        connection.execute(text(f"UPDATE {table} SET version_num = '9999'"))
    with pytest.raises(ServerFailed, match=r"9999.*newer"):
        create_app(settings(tmp_path, database_url))


@pytest.mark.parametrize(
    ("when", "from_scratch", "of_sqlite", "of_postgresql"),
    [("auto", True, True, False), ("always", True, True, True), ("never", False, False, False)],
)
def test_whether_a_server_upgrades_is_a_setting(
    database: Database,
    database_url: str,
    tmp_path: Path,
    when: str,
    from_scratch: bool,
    of_sqlite: bool,
    of_postgresql: bool,
) -> None:
    told = settings(tmp_path, database_url, upgrade=when)
    check_start(told, starts=from_scratch, says="no schema yet.*ganforge db upgrade")
    if not from_scratch:
        migrations.upgrade(database, PACKAGE)
        check_start(told, starts=True)  # there is nothing to do
    go_back_to(database, "0001")
    starts = of_sqlite if database.is_sqlite else of_postgresql
    check_start(told, starts=starts, says="schema 0001.*ganforge db backup.*ganforge db upgrade")
    if not starts:
        with database.read() as connection:
            assert migrations.schema_of(connection, PACKAGE).current == "0001"


def check_start(told: CoordinatorSettings, *, starts: bool, says: str = "") -> None:
    if starts:
        create_app(told).state.database.close()
        return
    with pytest.raises(ServerFailed, match=says):
        create_app(told)


def go_back_to(database: Database, revision: str) -> None:
    """Empty the database and give it an older schema."""
    with database.reshape() as connection:
        for name in inspect(connection).get_table_names():
            cascade = "" if database.is_sqlite else "CASCADE"
            connection.execute(text(f'DROP TABLE "{name}" {cascade}'))
    migrations.upgrade(database, PACKAGE, revision)


def test_two_coordinators_may_start_at_once_on_one_database(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    command = [sys.executable, "-W", "error", "-c", START, str(tmp_path)]
    url = postgres_server.new_database()
    started = [
        subprocess.Popen([*command, url], stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in started:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said


def test_a_database_of_the_first_schema_comes_along(database: Database) -> None:
    """A learner could hold two leases then; now each takes a slot of its own until it runs out."""
    migrations.upgrade(database, PACKAGE, "0001")
    with database.write() as connection:
        for statement in OLD_ROWS:
            connection.execute(text(statement))
    migrations.upgrade(database, PACKAGE)
    with database.read() as connection:
        job = connection.execute(select(jobs)).mappings().first()
        learner = connection.execute(select(learners)).mappings().one()
        slots = connection.scalars(select(attempt_members.c.slot)).all()
    assert job is not None
    assert (job["lease_ttl_ms"], job["stall_ms"], job["selector_id"]) == (30_000, None, None)
    assert (learner["slots"], learner["error_score"]) == (1, 0.0)
    assert sorted(slots) == [0, 1]
