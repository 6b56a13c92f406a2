"""Kill -9 anything at any moment: the job still ends, and nothing is lost or done twice."""

import random
import shutil
import signal
from pathlib import Path

import psutil
import pytest

from ganforge.wire.jobs import JobState
from tests.e2e.test_main_job import check_everything_is_there, digits
from tests.support.system import System

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("victim", ["coordinator", "repository", "learner", "trainer"])
def test_a_job_survives_the_death_of(victim: str, system: System, tmp_path: Path) -> None:
    job = system.coordinator.submit(digits(maxIterations=1200, storeInterval=150))
    system.until_iteration(job.id, random.randrange(1, 900))
    system.kill(victim)
    if victim != "trainer":
        system.start(victim)
    system.until_state(job.id, JobState.SUCCEEDED)
    check_everything_is_there(system, job.id, tmp_path)


def test_a_trainer_that_is_killed_while_it_starts_is_started_again(system: System) -> None:
    first = system.trainer_pid()
    system.kill("trainer")
    job = system.coordinator.submit(digits(maxIterations=300))  # the learner sees it is gone
    system.until(lambda: system.trainer_pid() not in (0, first), "another trainer starts")
    system.kill("trainer")
    system.until_state(job.id, JobState.SUCCEEDED)


def test_a_learner_that_is_killed_takes_its_trainer_along(system: System) -> None:
    job = system.coordinator.submit(digits(maxIterations=400))
    system.until_iteration(job.id, 1)
    trainer = psutil.Process(system.trainer_pid())
    system.kill("learner")
    trainer.wait(60)
    system.start("learner")
    system.until_state(job.id, JobState.SUCCEEDED)


def test_a_learner_whose_disk_fails_tells_so_and_takes_the_next_attempt(system: System) -> None:
    place = system.folder / "learner" / "learner" / "the-learner"
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(exist_ok=True)
    place.touch()  # no folder can be made there
    job = system.coordinator.submit(digits(maxIterations=10))
    system.until(lambda: system.job(job.id).error is not None, "the attempt has failed")
    told = system.job(job.id)
    place.unlink()
    assert told.error is not None
    assert told.error.slug == "machine-failed"
    assert "look at its disk" in told.error.detail
    system.until_state(job.id, JobState.SUCCEEDED)


def test_the_learner_waits_for_a_repository_that_is_away(system: System, tmp_path: Path) -> None:
    job = system.coordinator.submit(digits(maxIterations=1000, storeInterval=100))
    system.until_iteration(job.id, 100)
    told_before = system.log("learner").count("trying again")
    system.kill("repository")
    # A lease lives for 3 s here; by the fourth try the repository has been away for longer.
    system.until(
        lambda: system.log("learner").count("trying again") >= told_before + 4,
        "the learner has tried again",
    )
    assert any(learner.job == job.id for learner in system.coordinator.learners())
    system.start("repository")
    done = system.until_state(job.id, JobState.SUCCEEDED)
    assert len(done.attempts) == 1
    check_everything_is_there(system, job.id, tmp_path)


def test_a_learner_that_is_told_to_end_gives_its_job_back_with_a_snapshot(
    system: System, tmp_path: Path
) -> None:
    job = system.coordinator.submit(digits(maxIterations=1000, storeInterval=900))
    system.until_iteration(job.id, 50)
    system.signal("learner", signal.SIGTERM)
    assert system.wait_for_exit("learner") == 0
    given_back = system.job(job.id)
    assert given_back.state is JobState.QUEUED
    assert given_back.attempts[-1].state == "RELEASED"
    system.start("learner")
    done = system.until_state(job.id, JobState.SUCCEEDED)
    assert done.attempts[-1].resume_iteration == given_back.iteration
    check_everything_is_there(system, job.id, tmp_path)
