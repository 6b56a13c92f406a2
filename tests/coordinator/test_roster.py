"""Which learners are given jobs: the drained and the quarantined are not."""

import pytest
from sqlalchemy import update

from ganforge.errors import LeaseLost, NotAllowed, NotFound
from ganforge.wire.jobs import JobAction, JobError, JobState
from ganforge.wire.learning import Command, LearnerAction, LearnerState, Outcome
from ganforge_coordinator.db.models import jobs
from tests.coordinator.running import Coordinator, Learner, Work

BROKEN = JobError(slug="trainer-died", detail="the trainer's process ended (exit code -9)")


def fail(work: Work, **changes: object) -> None:
    work.complete(Outcome.FAILED, error=BROKEN, **changes)


def rest_no_longer(coordinator: Coordinator) -> None:
    with coordinator.database.write() as connection:
        connection.execute(update(jobs).values(run_after_ms=0))


def state_of(coordinator: Coordinator, learner: Learner) -> LearnerState:
    return {told.id: told.state for told in coordinator.client.learners()}[learner.id]


def test_a_drained_learner_gives_its_job_back_and_gets_no_more(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    learner = coordinator.learner()
    work = learner.work()
    told = coordinator.client.steer_learner(learner.id, LearnerAction.DRAIN)
    assert (told.state, told.job) == (LearnerState.DRAINED, job.id)
    assert work.beat(wait_seconds=20).command is Command.PAUSE
    work.complete(Outcome.RELEASED)
    assert coordinator.client.job(job.id).state is JobState.QUEUED
    assert learner.claim() is None
    coordinator.client.steer_learner(learner.id, LearnerAction.RESUME)
    assert learner.take().job_id == job.id


def test_a_drained_learner_stays_so_when_it_starts_again(coordinator: Coordinator) -> None:
    coordinator.client.steer_learner(coordinator.learner().id, LearnerAction.DRAIN)
    job = coordinator.submit()
    again = coordinator.learner()
    assert state_of(coordinator, again) is LearnerState.DRAINED
    assert again.claim() is None
    coordinator.client.steer_learner(again.id, LearnerAction.RESUME)
    assert again.take().job_id == job.id


def test_a_quarantined_learner_is_tried_again_when_it_starts_again(
    coordinator: Coordinator,
) -> None:
    coordinator.client.steer_learner(coordinator.learner().id, LearnerAction.QUARANTINE)
    assert state_of(coordinator, coordinator.learner()) is LearnerState.ACTIVE


def test_a_quarantined_learner_ends_its_job_and_gets_no_more(coordinator: Coordinator) -> None:
    coordinator.submit()
    learner = coordinator.learner()
    work = learner.work()
    coordinator.submit()
    coordinator.client.steer_learner(learner.id, LearnerAction.QUARANTINE)
    assert work.beat().command is Command.RUN
    work.complete()
    assert learner.claim() is None


def test_a_learner_on_which_three_jobs_fail_in_a_row_is_quarantined(
    coordinator: Coordinator,
) -> None:
    learner = coordinator.learner()
    for _ in range(3):
        assert state_of(coordinator, learner) is LearnerState.ACTIVE
        job = coordinator.submit()
        fail(learner.work())
        coordinator.client.steer(job.id, JobAction.PAUSE)  # or it may come back before the next
    assert state_of(coordinator, learner) is LearnerState.QUARANTINED
    coordinator.submit()
    assert learner.claim() is None


def test_one_job_that_fails_again_and_again_is_not_its_learners_fault(
    coordinator: Coordinator,
) -> None:
    learner = coordinator.learner()
    job = coordinator.submit()
    for _ in range(3):
        rest_no_longer(coordinator)
        work = learner.work()
        assert work.job_id == job.id
        fail(work)
    assert state_of(coordinator, learner) is LearnerState.ACTIVE


def test_a_job_that_went_well_ends_the_row_and_a_job_at_fault_does_not_count(
    coordinator: Coordinator,
) -> None:
    learner = coordinator.learner()
    for priority, end in enumerate(("fail", "fail", "well", "fail", "its own", "fail", "fail")):
        coordinator.submit(priority=priority)  # so that none comes back before it
        work = learner.work()
        if end == "well":
            work.complete()
        else:
            fail(work, permanent=end == "its own")
    assert state_of(coordinator, learner) is LearnerState.ACTIVE


def test_a_job_that_failed_on_a_learner_is_left_to_the_others_for_a_while(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit()
    first = coordinator.learner("first")
    fail(first.work())
    second = coordinator.learner("second")
    with coordinator.database.write() as connection:
        connection.execute(update(jobs).values(run_after_ms=jobs.c.created_ms))
    assert first.claim() is None
    assert second.take().job_id == job.id


def test_a_job_that_failed_on_the_only_learner_comes_back_to_it(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    only = coordinator.learner()
    fail(only.work())
    rest_no_longer(coordinator)
    assert only.take().job_id == job.id


def test_only_admins_steer_learners_and_only_those_there_are(coordinator: Coordinator) -> None:
    learner = coordinator.learner()
    with pytest.raises(NotAllowed):
        coordinator.client_of("submit").steer_learner(learner.id, LearnerAction.DRAIN)
    with pytest.raises(NotFound, match="no learner"):
        coordinator.client.steer_learner("nobody", LearnerAction.DRAIN)


def test_a_learner_that_was_superseded_is_not_steered(coordinator: Coordinator) -> None:
    before = coordinator.learner("same")
    coordinator.submit()
    work = before.work()
    coordinator.learner("same")
    with pytest.raises(NotFound):
        coordinator.client.steer_learner(before.id, LearnerAction.DRAIN)
    with pytest.raises(LeaseLost):
        work.beat()
