"""Numbers, states and reasons as people say them; pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ganforge.errors import BY_SLUG
from ganforge.wire.jobs import Attempt, Desired, Job, JobAction, JobError, JobState
from ganforge_coordinator.job import TABLE, Trigger

DASH = "\N{EN DASH}"

STATES = {
    JobState.QUEUED: "The job waits for a learner",
    JobState.STARTING: "A learner has taken the job and sets up",
    JobState.RUNNING: "The job is running",
    JobState.PAUSED: "The job rests until somebody resumes it",
    JobState.SUCCEEDED: "The job is done",
    JobState.FAILED: "The job has failed",
    JobState.CANCELLED: "The job is cancelled",
}

REASONS = {
    "COMPLETED": "it reached its target",
    "LEVELLED_OFF": "its loss fell no further, as minibatchLossThreshold says; "
    "what was learnt is kept",
    "COLLAPSED": "its generator collapsed, and stopOnCollapse is set; what was learnt is kept",
    "STOPPED_EARLY": "it was stopped; what was learnt is kept",
    "PAUSED": "it was paused; what was learnt is kept",
    "RESUMED": "it goes on from its last snapshot as soon as a learner is free",
    "RETRIED": "it is tried again as soon as a learner is free",
    "CANCELLED": "its snapshots up to then are kept",
    "FAILED": "another try would fail the same way",
    "FAILED_TOO_OFTEN": "it failed too often",
    "LOST_TOO_OFTEN": "its learners fell silent too often",
}

WISHES = {
    Desired.STOP: "Stopping: the learner takes a last snapshot, then ends",
    Desired.PAUSE: "Pausing: the learner takes a snapshot, then rests",
}

ATTEMPT_ENDS = {
    "succeeded": "finished",
    "levelled-off": "finished",
    "collapsed": "finished",
    "diverged": "met a loss that is not finite",
    "released": "gave the job back",
    "failed": "failed",
    "failed-for-good": "failed",
    "unacknowledged": "never answered",
    "lost": "fell silent",
    "cancel": "was called off",
}

ACTIONS = {
    JobAction.STOP: ("Stop", "Ends the job; what was learnt is kept"),
    JobAction.PAUSE: ("Pause", "Rests after a snapshot; resume goes on exactly there"),
    JobAction.RESUME: ("Resume", "Goes on from the last snapshot"),
    JobAction.CANCEL: ("Cancel", "Ends the job at once; what is newer than its last snapshot goes"),
    JobAction.RETRY: ("Retry", "Puts the job into the queue again"),
}

LOSSES = {
    "minibatchLoss": "generator loss",
    "dLossReal": "discriminator loss, real",
    "dLossFake": "discriminator loss, fake",
}


def state(job: Job) -> str:
    """Say in one sentence where a job is and why."""
    if not job.state.is_final and job.desired in WISHES and job.state is not JobState.PAUSED:
        return WISHES[job.desired]
    said = STATES[job.state]
    why = REASONS.get(job.reason or "")
    return f"{said}: {why}" if why else said


def attempt(told: Attempt) -> str:
    """Say how an attempt goes or ended."""
    if told.end_reason is None:
        return "works on it"
    return ATTEMPT_ENDS.get(told.end_reason, told.end_reason)


def actions(job: Job) -> list[tuple[JobAction, str, str]]:
    """Give what people may ask of a job now: the action, its button, what it does."""
    found = []
    for action, (button, what) in ACTIONS.items():
        allowed = Trigger(action.value) in TABLE[job.state]
        if allowed and not _is_idle(job, action):
            found.append((action, button, what))
    return found


def _is_idle(job: Job, action: JobAction) -> bool:
    """Whether asking would change nothing."""
    match action:
        case JobAction.STOP:
            return job.state.is_final or job.desired is Desired.STOP
        case JobAction.PAUSE:
            return job.state is JobState.PAUSED or job.desired is not Desired.RUN
        case JobAction.RESUME:
            return job.state is not JobState.PAUSED and job.desired is Desired.RUN
        case JobAction.CANCEL:
            return job.state.is_final
        case JobAction.RETRY:
            return False


def loss(key: str, keys: Iterable[str]) -> str:
    """Name a loss as people say it; ``keys`` are all the job reports."""
    # Where no discriminator reports, the minibatch loss need not be a generator's.
    if key == "minibatchLoss" and not {"dLossReal", "dLossFake"} & set(keys):
        return "minibatch loss"
    return LOSSES.get(key, key)


def failure(error: JobError) -> str:
    """Say why a job failed."""
    cls = BY_SLUG.get(error.slug)
    title = cls.title if cls else error.slug.replace("-", " ").capitalize()
    where = "" if error.iteration is None else f" in iteration {error.iteration:,}"
    return f"{title}{where}: {error.detail}"


FIGURES = {
    "fcd": "distance",
    "classes_covered": "classes",
    "class_kl": "class KL",
    "classifier_score": "score",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "near_copies": "near-copies",
}


def figure(value: float | int | None) -> str:
    """Say a figure of quality with as many digits as it is worth."""
    if value is None:
        return DASH
    if isinstance(value, int):
        return str(value)
    return f"{value:,.1f}" if value >= 20 else f"{value:.2f}"


def number(value: float | None) -> str:
    """Say a loss or a rate with four significant digits."""
    if value is None:
        return DASH
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        digits = 4 if abs(value) < 10 else 3 if abs(value) < 100 else 1
        return f"{value:,.{digits}f}"
    return f"{value:.3g}"


def rate(value: float | None) -> str:
    """Say iterations per second."""
    if value is None:
        return DASH
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def duration(seconds: float | None) -> str:
    """Say a duration by its two largest units."""
    if seconds is None:
        return DASH
    left = round(seconds)
    if left < 60:
        return f"{left} s"
    if left < 3600:
        return f"{left // 60} min {left % 60:02} s"
    if left < 86_400:
        return f"{left // 3600} h {left % 3600 // 60:02} min"
    return f"{left // 86_400} d {left % 86_400 // 3600} h"


def ago(then: datetime, now: datetime) -> str:
    """Say how long ago something was, coarsely."""
    passed = now - then
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min ago"
    if passed < timedelta(days=1):
        return f"{passed // timedelta(hours=1)} h ago"
    return f"{passed.days} d ago"
