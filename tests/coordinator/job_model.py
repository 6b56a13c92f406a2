"""What the store must do with jobs and leases, said once more and in little: no database, no locks.

Times are milliseconds of whatever clock the caller goes by.
"""

from dataclasses import dataclass, field
from typing import Any

from ganforge.wire.jobs import Desired, JobState
from ganforge_coordinator.job import Trigger

LEASE_MS = 15_000
ACKNOWLEDGE_MS = 4_000
MAX_FAILURES = 2
MAX_LOSSES = 3
STALL_MS = 20_000
FIRST_STALL_MS = 1_800_000
GAP_MS = 5_000
LEAVE_MS = 10_000

HELD = (JobState.STARTING, JobState.RUNNING)


@dataclass(eq=False)
class Attempt:
    """A lease, and what its holder has said."""

    id: str
    job: "ModelJob"
    epoch: int
    learner: str
    claim_key: str
    lease_until_ms: int
    advanced_ms: int
    iteration: int = 0
    state: str = "ACTIVE"
    acknowledged: bool = False
    started: bool = False
    next_seq: int = 0
    outcome: Any = None

    def facts(self) -> dict[str, Any]:
        """Tell all of it that the store keeps."""
        active = self.state == "ACTIVE"
        return {
            "job_id": self.job.id,
            "epoch": self.epoch,
            "state": self.state,
            "active": active,
            "started": self.started,
            "next_seq": self.next_seq,
            "iteration": self.iteration,
            "advanced_ms": self.advanced_ms,
            "acknowledged": self.acknowledged,
            "lease_until_ms": self.lease_until_ms if active else None,
        }

    def renew(self, now_ms: int, counted_ms: int, iteration: int = 0) -> None:
        """Note that its holder was heard of, and how far it is."""
        # It is never shortened: after the clock went back, time stands still until the next mark.
        self.lease_until_ms = max(self.lease_until_ms, counted_ms + LEASE_MS)
        self.acknowledged = True
        if iteration > self.iteration:
            self.iteration, self.advanced_ms = iteration, now_ms


@dataclass(eq=False)
class ModelJob:
    """A job, and every effect on it in the order in which they were committed."""

    id: str
    priority: int
    created_ms: int
    state: JobState = JobState.QUEUED
    desired: Desired = Desired.RUN
    failures: int = 0
    losses: int = 0
    epoch: int = 0
    iteration: int = 0
    run_after_ms: int = 0
    failed_on: str | None = None  # the learner, when its last attempt failed
    noted: set[tuple[int, int]] = field(default_factory=set)  # (epoch, iteration)
    attempt: Attempt | None = None
    effects: list[tuple[Any, ...]] = field(default_factory=lambda: [("state", 0, "QUEUED")])

    def facts(self) -> dict[str, Any]:
        """Tell all of it that the store keeps, but for its effects."""
        return {
            "state": self.state,
            "desired": self.desired,
            "failures": self.failures,
            "losses": self.losses,
            "epoch": self.epoch,
            "iteration": self.iteration,
            "attempt_id": self.attempt.id if self.attempt else None,
            "last_seq": len(self.effects),
            "finished": self.state.is_final,
            "run_after_ms": self.run_after_ms if self.state is JobState.QUEUED else None,
        }

    def waits(self, now_ms: int) -> bool:
        """Whether it may be claimed."""
        return self.state is JobState.QUEUED and self.run_after_ms <= now_ms

    def begin(self, attempt: Attempt, now_ms: int) -> None:
        """Give it to a learner."""
        self.attempt, self.epoch, self.failed_on = attempt, attempt.epoch, None
        self._become(JobState.STARTING, now_ms)

    def start(self, now_ms: int) -> None:
        """Note that its trainer runs; again, that changes nothing."""
        assert self.attempt is not None
        if not self.attempt.started:
            self.attempt.started = True
            self._become(JobState.RUNNING, now_ms)

    def push(self, seq: int, first: int, points: int) -> None:
        """Keep points of progress."""
        assert self.attempt is not None
        self.attempt.next_seq += 1
        self.iteration = first + points
        self.effects.append(("chunk", self.epoch, seq, points))

    def note(self, iteration: int) -> None:
        """Note a snapshot; again, that changes nothing."""
        if (self.epoch, iteration) not in self.noted:
            self.noted.add((self.epoch, iteration))
            self.iteration = max(self.iteration, iteration)
            self.losses = 0
            self.effects.append(("snapshot", self.epoch, iteration))

    def succeed(self, now_ms: int) -> None:
        """End as its learner says."""
        self._end("SUCCEEDED", JobState.SUCCEEDED, now_ms)

    def fail(self, now_ms: int, *, permanent: bool) -> None:
        """End, or rest to be tried again."""
        self.failures += 1
        over = permanent or self.failures >= MAX_FAILURES
        self.failed_on = None if self.attempt is None else self.attempt.learner
        self._end("FAILED", JobState.FAILED if over else None, now_ms)

    def release(self, now_ms: int) -> None:
        """Give it back."""
        self._end("RELEASED", None, now_ms)

    def lose(self, now_ms: int, *, counted: bool) -> None:
        """Take it from its learner."""
        self.losses += counted
        over = counted and self.losses >= MAX_LOSSES
        self._end("LOST", JobState.FAILED if over else None, now_ms)

    def steer(self, wish: Trigger, now_ms: int) -> bool:
        """Do as its owner wishes; False when its state does not allow it."""
        match wish:
            case Trigger.RETRY if self.state.is_final:
                self.failures = self.losses = 0
                self._become(JobState.QUEUED, now_ms, Desired.RUN)
            case Trigger.STOP if self.state in (JobState.SUCCEEDED, JobState.CANCELLED):
                pass
            case Trigger.CANCEL if self.state is JobState.CANCELLED:
                pass
            case _ if wish is Trigger.RETRY or self.state.is_final:
                return False
            case Trigger.CANCEL if self.state in HELD:
                self.desired = Desired.CANCEL
                self._end("LOST", JobState.CANCELLED, now_ms)
            case Trigger.CANCEL:
                self._become(JobState.CANCELLED, now_ms, Desired.CANCEL)
            case _ if self.state in HELD:
                self._become(self.state, now_ms, _WISHES[wish])
            case Trigger.STOP:
                self.desired = Desired.STOP
                self._become(self._rest(), now_ms, Desired.STOP)
            case Trigger.PAUSE:
                self._become(JobState.PAUSED, now_ms)
            case Trigger.RESUME:
                self._become(JobState.QUEUED, now_ms)
        return True

    def _end(self, attempt_state: str, state: JobState | None, now_ms: int) -> None:
        assert self.attempt is not None
        self.attempt.state = attempt_state
        self.attempt = None
        desired = self.desired
        if state is None:
            state = self._rest()
            desired = Desired.RUN if desired is Desired.PAUSE else desired
        self._become(state, now_ms, desired)

    def _rest(self) -> JobState:
        """Tell where it goes when nobody works on it any more."""
        stopped = JobState.SUCCEEDED if self.noted else JobState.CANCELLED
        return {
            Desired.RUN: JobState.QUEUED,
            Desired.PAUSE: JobState.PAUSED,
            Desired.STOP: stopped,
            Desired.CANCEL: JobState.CANCELLED,
        }[self.desired]

    def _become(self, state: JobState, now_ms: int, desired: Desired | None = None) -> None:
        before = self.state, self.desired
        self.state, self.desired = state, desired or self.desired
        if (self.state, self.desired) != before:
            self.run_after_ms = now_ms
            self.effects.append(("state", self.epoch, str(state)))


_WISHES = {
    Trigger.STOP: Desired.STOP,
    Trigger.PAUSE: Desired.PAUSE,
    Trigger.RESUME: Desired.RUN,
}


class Model:
    """All jobs and attempts there are, the latest last; and the time."""

    def __init__(self, now_ms: int) -> None:
        self.jobs: dict[str, ModelJob] = {}
        self.attempts: list[Attempt] = []
        self.floor = 0  # of the epochs
        self.mark_ms = now_ms

    @property
    def held(self) -> list[Attempt]:
        """The attempts that are in work, as far as the store has found out."""
        return [attempt for attempt in self.attempts if attempt.state == "ACTIVE"]

    def pick(self, which: int) -> Attempt:
        """Pick an attempt, those in work first, then the latest to end."""
        gone = [attempt for attempt in reversed(self.attempts) if attempt.state != "ACTIVE"]
        return (self.held + gone)[which % len(self.attempts)]

    def counted_ms(self, now_ms: int) -> int:
        """Give the time that leases are judged by: time that nobody counted does not pass."""
        return now_ms if self.mark_ms <= now_ms <= self.mark_ms + GAP_MS else self.mark_ms

    def lives(self, attempt: Attempt, now_ms: int) -> bool:
        """Whether an attempt's holder may write."""
        return attempt.state == "ACTIVE" and attempt.lease_until_ms > self.counted_ms(now_ms)

    def mark(self, now_ms: int) -> None:
        """Count the time; after a gap, what lived at the last mark begins anew."""
        before, self.mark_ms = self.mark_ms, now_ms
        if abs(now_ms - before) <= GAP_MS:
            return
        for attempt in self.held:
            lived = attempt.lease_until_ms > before
            attempt.lease_until_ms = now_ms + LEASE_MS if lived else 0
            attempt.advanced_ms = now_ms
        for job in self.jobs.values():
            if job.state is JobState.QUEUED:
                job.run_after_ms = min(job.run_after_ms, now_ms)

    def run_out(self, now_ms: int) -> list[Attempt]:
        """Give the attempts that the reaper must take back."""
        return [attempt for attempt in self.held if not self.lives(attempt, now_ms)]

    def stalled(self, now_ms: int) -> list[Attempt]:
        """Give the attempts that get nowhere."""
        judged = self.counted_ms(now_ms)
        return [
            attempt
            for attempt in self.held
            if attempt.advanced_ms + (STALL_MS if attempt.iteration else FIRST_STALL_MS) < judged
        ]

    def let_go(self, learner: str, now_ms: int) -> None:
        """Take from a learner what it holds."""
        for attempt in self.held:
            if attempt.learner == learner:
                attempt.job.lose(now_ms, counted=True)

    def held_with(self, learner: str, key: str) -> Attempt | None:
        """Give what a learner claimed before with the same key, and still holds."""
        for attempt in self.held:
            if (attempt.learner, attempt.claim_key) == (learner, key):
                return attempt
        return None

    def claimable(self, learner: str, now_ms: int) -> list[ModelJob | None]:
        """Give what a claim may bring: the first that waits, or one before it that failed here.

        Such a one is left to others for a while, where there are any. None is nothing.
        """
        waiting = [job for job in self.jobs.values() if job.waits(now_ms)]
        found: list[ModelJob | None] = []
        for job in sorted(waiting, key=lambda job: (-job.priority, job.created_ms, job.id)):
            found.append(job)
            if job.failed_on != learner or job.run_after_ms <= now_ms - LEAVE_MS:
                return found
        return [*found, None]

    def begin(self, job: ModelJob, id: str, learner: str, key: str, now_ms: int) -> Attempt:
        """Lease a job to a learner."""
        epoch = max(job.epoch + 1, self.floor, now_ms)
        ends = self.counted_ms(now_ms) + ACKNOWLEDGE_MS
        begun = Attempt(id, job, epoch, learner, key, ends, advanced_ms=now_ms)
        job.begin(begun, now_ms)
        self.attempts.append(begun)
        return begun
