"""The store under any order of events, on both databases: it and a model of it agree on everything.

The clock is moved by hand, so that to the millisecond of a lease's end nothing is left to chance.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, update

from ganforge.errors import Conflict, GanforgeError, InvalidState, LeaseLost, SequenceGap
from ganforge.wire.jobs import JobState
from ganforge.wire.learning import Completion, Heartbeat, Outcome, ProgressPush, SnapshotNote
from ganforge_chassis import migrations
from ganforge_chassis.database import Database
from ganforge_coordinator import dispatch, lease, ledger, progress, roster, submission
from ganforge_coordinator.db.models import jobs, metadata
from ganforge_coordinator.job import Trigger
from tests.coordinator import job_model, kept
from tests.coordinator.acts import (
    ACTS,
    FATES,
    NAMES,
    PEOPLE,
    SUCCEEDED,
    TICKS,
    WHICH,
    WRITES,
    Act,
    Fate,
    Push,
    Write,
    act,
)
from tests.coordinator.job_model import ACKNOWLEDGE_MS, LEASE_MS, Attempt, Model, ModelJob
from tests.coordinator.running import a_job, claim_key
from tests.support.frozen_clock import FrozenClock
from tests.support.learners import registration

T = TypeVar("T")

START_MS = 1_800_000_000_000


class Cut(Exception):
    """The end of a coordinator before its commit."""


class Leases(RuleBasedStateMachine):
    """Learners that come, work, vanish and come back; owners that change their minds."""

    database: Database
    clock: FrozenClock
    steps = 0

    @initialize()
    def begin(self) -> None:
        self.clock.now_ms = START_MS
        self.model = Model()
        self.learners: dict[str, tuple[str, str]] = {}  # name: (id, boot)
        self.boots: dict[str, list[str]] = {name: [] for name in NAMES}
        with self.database.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        self.restart_the_coordinator()
        for name in NAMES:
            self.start_anew(name, Fate.ANSWERED)

    @property
    def now(self) -> int:
        return self.clock.now_ms

    def say(self, call: Callable[[Connection], T]) -> T:
        with self.database.write() as connection:
            return call(connection)

    def cut(self, call: Callable[[Connection], Any]) -> None:
        """Make a call that is never committed: the model does not change."""
        with suppress(Cut, GanforgeError), self.database.write() as connection:
            call(connection)
            raise Cut

    def told(self, attempt: Attempt, fate: Fate, call: Callable[[Connection], T]) -> Iterator[T]:
        """Make a call as a learner, and give what it was told, once or twice.

        One whose lease is gone must be refused; that nothing changed, the invariants see.
        """
        if fate is Fate.CUT:
            self.cut(call)
        for _ in range(fate.value):
            if attempt.lives(self.now):
                answer = self.say(call)
                attempt.renew(self.now)
                yield answer
            else:
                with pytest.raises(LeaseLost):
                    self.say(call)

    # People.

    @act(1, priority=st.integers(-1, 1), fate=FATES)
    def submit(self, priority: int, fate: Fate) -> None:
        job, key = a_job(priority=priority), claim_key()

        def call(connection: Connection) -> str:
            config = submission.check(connection, job, None)
            body = submission.canonical(job)
            row = submission.replayed(connection, key, body)
            if row is None:
                row = submission.enter(
                    connection, job, config, key=key, body=body, lease_ms=LEASE_MS
                )
                limits = {
                    "max_failures": job_model.MAX_FAILURES,
                    "max_losses": job_model.MAX_LOSSES,
                }
                connection.execute(update(jobs).where(jobs.c.id == row["id"]).values(limits))
            return str(row["id"])

        if fate is Fate.CUT:
            return self.cut(call)
        job_id = self.say(call)
        self.model.jobs[job_id] = ModelJob(job_id, priority, self.now)
        self.clock.move(1)  # of two jobs as old as each other, chance would decide
        if fate is Fate.REPEATED:
            assert self.say(call) == job_id

    @act(3, which=WHICH, wish=st.sampled_from(PEOPLE), fate=FATES)
    def steer(self, which: int, wish: Trigger, fate: Fate) -> None:
        if not self.model.jobs:
            return None
        job = list(self.model.jobs.values())[which % len(self.model.jobs)]

        def call(connection: Connection) -> None:
            ledger.apply(connection, ledger.lock(connection, job.id), wish)

        if fate is Fate.CUT:
            return self.cut(call)
        for _ in range(fate.value):
            if job.steer(wish, self.now):
                self.say(call)
            else:
                with pytest.raises(InvalidState):
                    self.say(call)

    # Learners.

    @act(1, name=st.sampled_from(NAMES), fate=FATES)
    def start_anew(self, name: str, fate: Fate) -> None:
        says = registration(name)
        if fate is Fate.CUT:
            return self.cut(lambda connection: roster.register(connection, says))
        for _ in range(fate.value):
            learner_id = self.say(lambda connection: roster.register(connection, says))
            assert (learner_id == self.learners.get(name, ("", ""))[0]) == (
                says.boot_id in self.boots[name]
            )
            self.learners[name] = learner_id, says.boot_id
            if says.boot_id not in self.boots[name]:
                self.boots[name].append(says.boot_id)
                self.model.let_go(name, self.now)

    @act(1, name=st.sampled_from(NAMES))
    def come_back_from_the_past(self, name: str) -> None:
        for boot_id in self.boots[name][:-1]:
            with pytest.raises(Conflict), self.database.write() as connection:
                roster.register(connection, registration(name, boot_id=boot_id))

    @act(3, name=st.sampled_from(NAMES), anew=st.booleans(), fate=FATES)
    def claim(self, name: str, anew: bool, fate: Fate) -> None:
        own = [attempt.claim_key for attempt in self.model.attempts if attempt.learner == name]
        key = claim_key() if anew or not own else own[-1]
        learner_id = self.learners[name][0]

        def call(connection: Connection) -> Any:
            return dispatch.claim(connection, learner_id, key, ack_ms=ACKNOWLEDGE_MS)

        if fate is Fate.CUT:
            return self.cut(call)
        for _ in range(fate.value):
            expected = self.model.claim(name, key, self.now)
            got = self.say(call)
            if expected is None:
                assert got is None
                with self.database.read() as connection:
                    assert not dispatch.is_worth_claiming(connection, learner_id)
                continue
            assert got is not None
            if not expected.id:
                expected.id = got.attempt_id
            assert (got.attempt_id, got.job_id) == (expected.id, expected.job.id)
            assert got.epoch == expected.epoch
        return None

    @act(7, name=st.sampled_from(NAMES), priority=st.integers(-1, 1), started=st.booleans())
    def take(self, name: str, priority: int, started: bool) -> None:
        """Go the common way to an attempt, so that examples get to what comes after it."""
        self.submit(priority, Fate.ANSWERED)
        self.claim(name, True, Fate.ANSWERED)
        self.beat(self.model.attempts[-1], Heartbeat(started=started), Fate.ANSWERED)

    @act(14, which=WHICH, says=WRITES, fate=FATES)
    def write(self, which: int, says: Write, fate: Fate) -> None:
        if not self.model.attempts:
            return
        attempt = self.model.pick(which)
        match says:
            case Heartbeat():
                self.beat(attempt, says, fate)
            case Push():
                self.push(attempt, says, fate)
            case SnapshotNote():
                self.note(attempt, says, fate)
            case Completion():
                self.complete(attempt, says, fate)

    @act(4, which=WHICH, says=WRITES, off=st.integers(-1, 1), fate=FATES)
    def write_at_the_edge(self, which: int, says: Write, off: int, fate: Fate) -> None:
        """Write a millisecond before a lease ends, just then, or a millisecond later."""
        if not self.model.attempts:
            return
        until_edge = self.model.pick(which).lease_until_ms + off - self.now
        self.clock.move(max(0, until_edge))
        self.write(which, says, fate)

    def beat(self, attempt: Attempt, says: Heartbeat, fate: Fate) -> None:
        for reply in self.told(attempt, fate, lambda c: dispatch.beat(c, attempt.id, says)):
            if says.started:
                attempt.job.start(self.now)
            assert str(reply.command).upper() == attempt.job.desired

    def push(self, attempt: Attempt, what: Push, fate: Fate) -> None:
        seq = max(0, attempt.next_seq + what.off)
        points: list[float | None] = [1.0] * what.points
        says = ProgressPush(seq=seq, first=10 * seq, series={"minibatchLoss": points})
        if attempt.lives(self.now) and seq > attempt.next_seq:
            with pytest.raises(SequenceGap) as gap, self.database.write() as connection:
                progress.push(connection, attempt.id, says)
            assert gap.value.members == {"expectedSeq": attempt.next_seq}
            return
        for _, reply in self.told(attempt, fate, lambda c: progress.push(c, attempt.id, says)):
            assert reply.applied == (seq == attempt.next_seq)
            if reply.applied:
                attempt.job.push(seq, 10 * seq, what.points)
            assert reply.next_seq == attempt.next_seq

    def note(self, attempt: Attempt, says: SnapshotNote, fate: Fate) -> None:
        def call(connection: Connection) -> str:
            return dispatch.note_snapshot(connection, attempt.id, says)

        for job_id in self.told(attempt, fate, call):
            assert job_id == attempt.job.id
            attempt.job.note(says.iteration)

    def complete(self, attempt: Attempt, says: Completion, fate: Fate) -> None:
        def call(connection: Connection) -> str:
            return dispatch.complete(connection, attempt.id, says)

        if attempt.outcome is not None:
            self.complete_again(attempt, says, call)
        elif fate is Fate.CUT or not attempt.lives(self.now):
            assert list(self.told(attempt, fate, call)) == []
        else:
            assert self.say(call) == attempt.job.id
            attempt.acknowledged, attempt.outcome = True, says
            self.end(attempt.job, says)
            if fate is Fate.REPEATED:
                self.complete_again(attempt, says, call)

    def end(self, job: ModelJob, said: Completion) -> None:
        rests = job.failures
        job.iteration = said.iteration
        match said.outcome:
            case Outcome.SUCCEEDED:
                job.succeed(self.now)
            case Outcome.RELEASED:
                job.release(self.now)
            case Outcome.FAILED:
                job.fail(self.now, permanent=said.permanent)
                if job.state is JobState.QUEUED:
                    job.run_after_ms = self.say(kept.jobs)[job.id]["run_after_ms"]
                    limit = min(dispatch.BACK_OFF_MS * 2**rests, dispatch.BACK_OFF_LIMIT_MS)
                    assert self.now < job.run_after_ms < self.now + limit

    def complete_again(
        self, attempt: Attempt, says: Completion, call: Callable[[Connection], str]
    ) -> None:
        if attempt.outcome == says:
            assert self.say(call) == attempt.job.id
        else:
            with pytest.raises(Conflict):
                self.say(call)

    # Time, and the coordinator.

    @act(3, milliseconds=TICKS)
    def tick(self, milliseconds: int) -> None:
        self.clock.move(milliseconds)

    @act(3, fate=FATES)
    def reap(self, fate: Fate) -> None:
        if fate is Fate.CUT:
            return self.cut(lease.reap)
        for _ in range(fate.value):
            due = self.model.run_out(self.now)
            assert sorted(self.say(lease.reap)) == sorted(attempt.job.id for attempt in due)
            for attempt in due:
                attempt.job.lose(self.now, counted=attempt.acknowledged)
        return None

    @act(1)
    def restart_the_coordinator(self) -> None:
        self.model.floor = max(self.model.floor + 1, self.now)
        assert self.say(dispatch.raise_boot_floor) == self.model.floor

    @act(1)
    def bring_every_job_home(self) -> None:
        """Nothing is stuck: whatever has happened, each job can still be worked on to its end."""
        self.clock.move(3_600_000)
        self.reap(Fate.ANSWERED)
        for which, job in enumerate(self.model.jobs.values()):
            if job.state is JobState.PAUSED:
                self.steer(which, Trigger.RESUME, Fate.ANSWERED)
        while any(not job.state.is_final for job in self.model.jobs.values()):
            before = len(self.model.attempts)
            self.claim("ada", True, Fate.ANSWERED)
            assert len(self.model.attempts) == before + 1
            self.complete(self.model.attempts[-1], SUCCEEDED, Fate.ANSWERED)

    @rule(act=st.sampled_from(ACTS).flatmap(lambda chosen: chosen))
    def do(self, act: Act) -> None:
        type(self).steps += 1
        name, arguments = act
        getattr(self, name)(**arguments)

    # What holds after every step.

    @invariant()
    def the_store_keeps_what_the_model_says(self) -> None:
        with self.database.read() as connection:
            kept_jobs = kept.jobs(connection)
            kept_attempts = kept.attempts(connection)
            kept_effects = kept.effects(connection)
        assert kept_jobs == {job.id: job.facts() for job in self.model.jobs.values()}
        assert kept_attempts == {attempt.id: attempt.facts() for attempt in self.model.attempts}
        for job_id, job in self.model.jobs.items():
            numbered = [(number, *effect) for number, effect in enumerate(job.effects, 1)]
            assert kept_effects.pop(job_id) == numbered
        assert kept_effects == {}

    @invariant()
    def no_two_hold_one_job_and_no_epoch_comes_twice(self) -> None:
        holders = [attempt.job.id for attempt in self.model.attempts if attempt.state == "ACTIVE"]
        assert len(set(holders)) == len(holders)
        for job in self.model.jobs.values():
            epochs = [attempt.epoch for attempt in self.model.attempts if attempt.job is job]
            assert sorted(set(epochs)) == epochs


@contextmanager
def opened(url: str) -> Iterator[None]:
    """Open a database for the model; it need not survive the power."""
    on_postgresql = not url.startswith("sqlite")
    database = Database(url + "&options=-csynchronous_commit%3Doff" if on_postgresql else url)
    migrations.upgrade(database, "ganforge_coordinator")
    Leases.database, Leases.clock = database, FrozenClock(database, now_ms=START_MS)
    try:
        yield
    finally:
        database.close()


@pytest.mark.timeout(1800)  # a failure is made small before it is told, and that takes its time
def test_any_order_of_events_leaves_what_the_model_says(
    database_url: str, request: pytest.FixtureRequest
) -> None:
    examples = request.config.getoption("--model-examples")
    profile = settings(
        max_examples=examples,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.explain},
    )
    Leases.steps = 0
    with opened(database_url):
        run_state_machine_as_test(Leases, settings=profile)
    print(f"{Leases.steps} steps in {examples} examples")
