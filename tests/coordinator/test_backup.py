"""A backup that is put back: jobs go on, and no epoch is given out a second time."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url

from ganforge.errors import LeaseLost
from ganforge.wire.jobs import JobState
from ganforge.wire.learning import Heartbeat
from ganforge_chassis import postgres_tools
from ganforge_chassis.backup import back_up
from ganforge_coordinator.app import create_app
from ganforge_coordinator.db.models import metadata
from tests.coordinator.conftest import Start, settings
from tests.coordinator.running import running
from tests.support.postgres import PostgresServer


@pytest.fixture
def restored_url(database_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a backup of the test's database is put back."""
    if make_url(database_url).get_backend_name() == "sqlite":
        return f"sqlite:///{tmp_path / 'copy'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


def put_back(copy: Path, url: str) -> None:
    """Do as docs/howto.md says; a copy of SQLite is a database as it is."""
    if url.startswith("postgresql"):
        program = postgres_tools.find(18).folder / "pg_restore"
        words = [str(program), "--no-owner", "--exit-on-error", f"--dbname={url}", str(copy)]
        subprocess.run(words, check=True)


def test_a_job_goes_on_from_a_backup_and_no_epoch_comes_twice(
    start: Start, database_url: str, restored_url: str, tmp_path: Path
) -> None:
    with start() as coordinator:
        job = coordinator.submit(config={"maxIterations": 100})
        first = coordinator.learner("ada").work()
        first.push(0, 0, [1.0, 2.0])
        copy = tmp_path / "copy"
        back_up(database_url, copy, package="ganforge_coordinator", metadata=metadata)
        # What follows is lost with the database; the learners live on.
        second = coordinator.learner("ada").work(resume_iteration=2)
        second.push(0, 2, [3.0])
    put_back(copy, restored_url)
    with running(create_app(settings(tmp_path, restored_url))) as coordinator:
        # The backup knows the first attempt, whose lease may live still, but not the second.
        with pytest.raises(LeaseLost):
            coordinator.client.heartbeat(second.id, Heartbeat(started=True), wait_seconds=0)
        third = coordinator.learner("ada").work(resume_iteration=2)
        assert third.epoch > second.epoch > first.epoch
        with pytest.raises(LeaseLost):
            coordinator.client.heartbeat(first.id, Heartbeat(started=True), wait_seconds=0)
        third.push(0, 2, [4.0])
        third.complete(iteration=100)
        assert coordinator.client.job(job.id).state is JobState.SUCCEEDED
        told = coordinator.client.progress(job.id)
    assert told.iterations == [0, 1, 2]
    assert told.series["minibatchLoss"] == [1.0, 2.0, 4.0]
