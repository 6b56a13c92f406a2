"""The state machine of a job, as data: every state, every wish, everything that can happen."""

from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest

from ganforge.errors import InvalidState
from ganforge.wire.jobs import Desired, JobState
from ganforge_coordinator.job import JobStatus, Trigger, move

Q, S, R, P = JobState.QUEUED, JobState.STARTING, JobState.RUNNING, JobState.PAUSED
OK, BAD, OUT = JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED
FINAL = (OK, BAD, OUT)
T = Trigger

# Where a job that nobody works on any more goes: by what its owner wants.
# It has weights; without them a stop has nothing to succeed with.
REST = {Desired.RUN: Q, Desired.PAUSE: P, Desired.STOP: OK, Desired.CANCEL: OUT}

# (from, trigger): the state it gives; "rest" is looked up in REST; missing pairs are refused.
MOVES: dict[tuple[JobState, Trigger], JobState | str] = {
    (Q, T.CLAIMED): S,
    (Q, T.STOP): OK,
    (Q, T.PAUSE): P,
    (Q, T.RESUME): Q,
    (Q, T.CANCEL): OUT,
    (S, T.STARTED): R,
    (S, T.UNACKNOWLEDGED): "rest",
    (P, T.STOP): OK,
    (P, T.PAUSE): P,
    (P, T.RESUME): Q,
    (P, T.CANCEL): OUT,
    (R, T.STARTED): R,
    **{
        (state, trigger): to
        for state in (S, R)
        for trigger, to in {
            T.SUCCEEDED: OK,
            T.LEVELLED_OFF: OK,
            T.COLLAPSED: OK,
            T.DIVERGED: "rest",
            T.RELEASED: "rest",
            T.FAILED: "rest",
            T.FAILED_FOR_GOOD: BAD,
            T.LOST: "rest",
            T.STALLED: "rest",
            T.STOP: state,
            T.PAUSE: state,
            T.RESUME: state,
            T.CANCEL: OUT,
        }.items()
    },
    **{(state, T.RETRY): Q for state in FINAL},
    (OK, T.STOP): OK,
    (OUT, T.STOP): OUT,
    (OUT, T.CANCEL): OUT,
}
PEOPLE = {T.STOP, T.PAUSE, T.RESUME, T.CANCEL, T.RETRY}

EVERYTHING = list(product(JobState, Desired, Trigger))


@pytest.mark.parametrize(("state", "desired", "trigger"), EVERYTHING)
def test_a_job_moves_as_the_table_says_or_not_at_all(
    state: JobState, desired: Desired, trigger: Trigger
) -> None:
    job = JobStatus(state, desired, has_weights=True)
    wanted = MOVES.get((state, trigger))
    if wanted is None:
        with pytest.raises(InvalidState) as refused:
            move(job, trigger)
        allowed = {other for other in PEOPLE if (state, other) in MOVES}
        assert set(refused.value.members["allowed"]) == {str(other) for other in allowed}
        assert str(state) in refused.value.detail
    else:
        assert move(job, trigger).state is (REST[desired] if wanted == "rest" else wanted)


@pytest.mark.parametrize(
    ("state", "trigger"), [(s, t) for s, t in product(FINAL, Trigger) if t is not T.RETRY]
)
def test_a_job_that_is_over_stays_so_until_it_is_retried(state: JobState, trigger: Trigger) -> None:
    job = JobStatus(state)
    with suppress(InvalidState):
        assert move(job, trigger) == job


@pytest.mark.parametrize("trigger", [T.STOP, T.PAUSE, T.RESUME, T.CANCEL])
@pytest.mark.parametrize("has_weights", [False, True])
@pytest.mark.parametrize("state", [Q, S, R, P])
def test_asking_twice_changes_nothing_more(
    state: JobState, has_weights: bool, trigger: Trigger
) -> None:
    once = move(JobStatus(state, has_weights=has_weights), trigger)
    assert move(once, trigger) == once


@pytest.mark.parametrize("state", [Q, P])
def test_stopping_a_job_that_has_learnt_nothing_cancels_it(state: JobState) -> None:
    stopped = move(JobStatus(state), T.STOP)
    assert (stopped.state, stopped.reason) == (OUT, "STOPPED_EARLY")


def test_a_stop_on_the_way_ends_as_stopped_early_and_a_target_reached_as_completed() -> None:
    stopped = move(move(JobStatus(R), T.STOP), T.SUCCEEDED)
    assert (stopped.state, stopped.reason) == (OK, "STOPPED_EARLY")
    completed = move(JobStatus(R), T.SUCCEEDED)
    assert (completed.state, completed.reason) == (OK, "COMPLETED")


def test_the_third_failure_is_one_too_many() -> None:
    job = JobStatus(R)
    for failures in (1, 2):
        job = move(job, T.FAILED)
        assert (job.state, job.failures) == (Q, failures)
        job = replace(job, state=R)
    job = move(job, T.FAILED)
    assert (job.state, job.reason, job.failures) == (BAD, "FAILED_TOO_OFTEN", 3)


def test_the_tenth_loss_in_a_row_is_one_too_many() -> None:
    job = JobStatus(R)
    for losses in range(1, 10):
        job = replace(move(job, T.LOST), state=R)
        assert job.losses == losses
    job = move(job, T.LOST)
    assert (job.state, job.reason) == (BAD, "LOST_TOO_OFTEN")


def test_a_claim_that_nobody_heard_of_counts_as_nothing() -> None:
    job = move(JobStatus(S), T.UNACKNOWLEDGED)
    assert (job.state, job.losses, job.failures) == (Q, 0, 0)


def test_a_retry_starts_with_clean_counters_and_the_wish_to_run() -> None:
    job = move(JobStatus(BAD, Desired.STOP, failures=3, losses=9), T.RETRY)
    assert (job.state, job.desired, job.failures, job.losses) == (Q, Desired.RUN, 0, 0)
