"""Kill -9 anything at any moment: the job still ends, and nothing is lost or done twice."""

import random
import signal
from pathlib import Path

import pytest

from ganforge.wire.jobs import JobState
from tests.e2e.test_main_job import check_everything_is_there, digits
from tests.support.system import running, until

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("victim", ["coordinator", "repository", "learner", "trainer"])
def test_a_job_survives_the_death_of(victim: str, tmp_path: Path) -> None:
    with running(tmp_path) as system:
        job = system.coordinator.submit(digits(maxIterations=2500, storeInterval=250))
        system.until_iteration(job.id, random.randrange(1, 1500))
        system.kill(victim)
        if victim != "trainer":
            system.start(victim)
        system.until_state(job.id, JobState.SUCCEEDED)
        check_everything_is_there(system, job.id, tmp_path)


def test_a_learner_that_is_killed_takes_its_trainer_along(tmp_path: Path) -> None:
    import psutil

    with running(tmp_path) as system:
        job = system.coordinator.submit(digits(maxIterations=None))
        system.until_iteration(job.id, 50)
        trainer = system.trainer_pid()
        system.kill("learner")
        until(lambda: not psutil.pid_exists(trainer), "the orphaned trainer has ended")


def test_the_learner_waits_for_a_repository_that_is_away(tmp_path: Path) -> None:
    with running(tmp_path) as system:
        job = system.coordinator.submit(digits(maxIterations=1500, storeInterval=100))
        system.until_iteration(job.id, 100)
        system.kill("repository")
        # Away for longer than a lease lives.
        until(lambda: "trying again" in system.log("learner"), "the learner has noticed")
        beats = system.coordinator.learners()[0]
        assert beats.job == job.id
        system.start("repository")
        done = system.until_state(job.id, JobState.SUCCEEDED)
        assert len(done.attempts) == 1
        check_everything_is_there(system, job.id, tmp_path)


def test_a_learner_that_is_told_to_end_gives_its_job_back_with_a_snapshot(tmp_path: Path) -> None:
    with running(tmp_path) as system:
        job = system.coordinator.submit(digits(maxIterations=1500, storeInterval=1000))
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
