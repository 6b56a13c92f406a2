"""The states of a job and the moves between them; pure.

``TABLE`` is the whole machine: what may happen in which state, and what then. Everything that is
not in it is refused with ``InvalidState``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from ganforge.errors import InvalidState
from ganforge.wire.jobs import Desired, JobState


class Trigger(StrEnum):
    """What can happen to a job."""

    CLAIMED = "claimed"  # a learner took the lease
    STARTED = "started"  # its trainer runs
    SUCCEEDED = "succeeded"  # it reached the target, or was told to stop
    LEVELLED_OFF = "levelled-off"  # its loss fell no further
    COLLAPSED = "collapsed"  # its generator collapsed, and it was to end then
    RELEASED = "released"  # it gave the lease back
    DIVERGED = "diverged"  # a loss was not finite, and it may go back
    FAILED = "failed"  # another try may go better
    FAILED_FOR_GOOD = "failed-for-good"  # another try would fail the same way
    UNACKNOWLEDGED = "unacknowledged"  # the learner never heard that it holds the lease
    LOST = "lost"  # the lease ran out, or the learner started anew
    STALLED = "stalled"  # the learner lives, and the trainer gets nowhere
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"


class AttemptState(StrEnum):
    """Where an attempt is."""

    ACTIVE = "ACTIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    RELEASED = "RELEASED"
    LOST = "LOST"


@dataclass(frozen=True)
class JobStatus:
    """All of a job that its next state depends on."""

    state: JobState
    desired: Desired = Desired.RUN
    reason: str | None = None
    failures: int = 0
    losses: int = 0
    max_failures: int = 3
    max_losses: int = 10
    has_weights: bool = False  # a snapshot was committed


Move = Callable[[JobStatus], JobStatus]


def _to(state: JobState, reason: str | None = None) -> Move:
    return lambda job: replace(job, state=state, reason=reason)


def _want(desired: Desired) -> Move:
    return lambda job: replace(job, desired=desired)


def _stay(job: JobStatus) -> JobStatus:
    return job


def _rest(job: JobStatus) -> JobStatus:
    """Go where a job goes that nobody works on any more."""
    match job.desired:
        case Desired.RUN:
            return replace(job, state=JobState.QUEUED, reason=None)
        case Desired.PAUSE:
            return replace(job, state=JobState.PAUSED, desired=Desired.RUN, reason="PAUSED")
        case Desired.STOP:
            return _stopped(job)
        case Desired.CANCEL:
            return replace(job, state=JobState.CANCELLED, reason="CANCELLED")


def _stopped(job: JobStatus) -> JobStatus:
    """Stopping keeps what was learnt; where nothing was, there is nothing to succeed with."""
    state = JobState.SUCCEEDED if job.has_weights else JobState.CANCELLED
    return replace(job, state=state, desired=Desired.STOP, reason="STOPPED_EARLY")


def _succeeded(job: JobStatus) -> JobStatus:
    reason = "STOPPED_EARLY" if job.desired is Desired.STOP else "COMPLETED"
    return replace(job, state=JobState.SUCCEEDED, reason=reason)


def _lost(job: JobStatus) -> JobStatus:
    job = replace(job, losses=job.losses + 1)
    if job.losses >= job.max_losses:
        return replace(job, state=JobState.FAILED, reason="LOST_TOO_OFTEN")
    return _rest(job)


def _failed(job: JobStatus) -> JobStatus:
    job = replace(job, failures=job.failures + 1)
    if job.failures >= job.max_failures:
        return replace(job, state=JobState.FAILED, reason="FAILED_TOO_OFTEN")
    return _rest(job)


def _failed_for_good(job: JobStatus) -> JobStatus:
    return replace(job, failures=job.failures + 1, state=JobState.FAILED, reason="FAILED")


def _cancelled(job: JobStatus) -> JobStatus:
    return replace(job, state=JobState.CANCELLED, desired=Desired.CANCEL, reason="CANCELLED")


def _retried(job: JobStatus) -> JobStatus:
    return replace(
        job, state=JobState.QUEUED, desired=Desired.RUN, reason="RETRIED", failures=0, losses=0
    )


_ENDS: dict[Trigger, Move] = {
    Trigger.SUCCEEDED: _succeeded,
    Trigger.LEVELLED_OFF: _to(JobState.SUCCEEDED, "LEVELLED_OFF"),
    Trigger.COLLAPSED: _to(JobState.SUCCEEDED, "COLLAPSED"),
    Trigger.DIVERGED: _rest,
    Trigger.RELEASED: _rest,
    Trigger.FAILED: _failed,
    Trigger.FAILED_FOR_GOOD: _failed_for_good,
    Trigger.LOST: _lost,
    Trigger.STALLED: _lost,
    Trigger.STOP: _want(Desired.STOP),
    Trigger.PAUSE: _want(Desired.PAUSE),
    Trigger.RESUME: _want(Desired.RUN),
    Trigger.CANCEL: _cancelled,
}

TABLE: Mapping[JobState, Mapping[Trigger, Move]] = {
    JobState.QUEUED: {
        Trigger.CLAIMED: _to(JobState.STARTING),
        Trigger.STOP: _stopped,
        Trigger.PAUSE: _to(JobState.PAUSED, "PAUSED"),
        Trigger.RESUME: _stay,
        Trigger.CANCEL: _cancelled,
    },
    JobState.STARTING: {
        Trigger.STARTED: _to(JobState.RUNNING),
        Trigger.UNACKNOWLEDGED: _rest,
        **_ENDS,
    },
    JobState.RUNNING: {Trigger.STARTED: _stay, **_ENDS},
    JobState.PAUSED: {
        Trigger.STOP: _stopped,
        Trigger.PAUSE: _stay,
        Trigger.RESUME: _to(JobState.QUEUED, "RESUMED"),
        Trigger.CANCEL: _cancelled,
    },
    JobState.SUCCEEDED: {Trigger.RETRY: _retried, Trigger.STOP: _stay},
    JobState.FAILED: {Trigger.RETRY: _retried},
    # Stopping a job that has learnt nothing cancels it, and asking again changes nothing.
    JobState.CANCELLED: {Trigger.RETRY: _retried, Trigger.STOP: _stay, Trigger.CANCEL: _stay},
}

ATTEMPT_ENDS: Mapping[Trigger, AttemptState] = {
    Trigger.SUCCEEDED: AttemptState.SUCCEEDED,
    Trigger.LEVELLED_OFF: AttemptState.SUCCEEDED,
    Trigger.COLLAPSED: AttemptState.SUCCEEDED,
    Trigger.DIVERGED: AttemptState.FAILED,
    Trigger.RELEASED: AttemptState.RELEASED,
    Trigger.FAILED: AttemptState.FAILED,
    Trigger.FAILED_FOR_GOOD: AttemptState.FAILED,
    Trigger.LOST: AttemptState.LOST,
    Trigger.STALLED: AttemptState.LOST,
    Trigger.UNACKNOWLEDGED: AttemptState.LOST,
    Trigger.CANCEL: AttemptState.LOST,
}
"""How the attempt in hand ends when the job leaves STARTING or RUNNING by a trigger."""

OWNED_BY_PEOPLE = (Trigger.STOP, Trigger.PAUSE, Trigger.RESUME, Trigger.CANCEL, Trigger.RETRY)


def move(job: JobStatus, trigger: Trigger) -> JobStatus:
    """Give the job as it is after ``trigger``.

    Raises:
        InvalidState: the job's state does not allow it; ``allowed`` lists what people may do.
    """
    moves = TABLE[job.state]
    if trigger not in moves:
        allowed = [str(other) for other in OWNED_BY_PEOPLE if other in moves]
        raise InvalidState(
            f"the job is {job.state}: it cannot be {_PASSIVE.get(trigger, trigger)} now",
            allowed=allowed,
        )
    return moves[trigger](job)


_PASSIVE = {
    Trigger.STOP: "stopped",
    Trigger.PAUSE: "paused",
    Trigger.RESUME: "resumed",
    Trigger.CANCEL: "cancelled",
    Trigger.RETRY: "retried",
}
