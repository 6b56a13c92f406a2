"""The store under any order of events, on both databases: it and a model of it agree on everything.

The clock is moved by hand, so that to the millisecond of a lease's end nothing is left to chance.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, update

from ganforge.errors import Conflict, InvalidState, SequenceGap
from ganforge.wire.jobs import Desired, JobState
from ganforge.wire.learning import (
    Completion,
    Heartbeat,
    LearnerState,
    Outcome,
    ProgressPush,
    ProgressReply,
    SnapshotNote,
)
from ganforge_coordinator import (
    amnesty,
    dispatch,
    idempotency,
    lease,
    ledger,
    progress,
    roster,
    submission,
)
from ganforge_coordinator.db.models import jobs
from ganforge_coordinator.job import Trigger
from tests.coordinator import job_model, kept
from tests.coordinator.acts import (
    ACTS,
    EDGES,
    FATES,
    JUMPS,
    NAMES,
    PEOPLE,
    SUCCEEDED,
    WHICH,
    WRITES,
    Act,
    Fate,
    Push,
    Write,
    act,
)
from tests.coordinator.job_model import ACKNOWLEDGE_MS, LEASE_MS, Attempt, ModelJob
from tests.coordinator.running import a_job, claim_key
from tests.coordinator.store_machine import Store, opened
from tests.support.learners import registration


class Leases(Store):
    """Learners that come, work, vanish and come back; owners that change their minds."""

    def begin_anew(self) -> None:
        self.restart_the_coordinator()
        self.say(amnesty.mark_time)
        for name in NAMES:
            self.start_anew(name, Fate.ANSWERED)

    # People.

    @act(1, priority=st.integers(-1, 1), fate=FATES)
    def submit(self, priority: int, fate: Fate) -> None:
        job, key = a_job(priority=priority), claim_key()

        def call(connection: Connection) -> str:
            config = submission.check(connection, job, None)
            asked = idempotency.Request("ada", key, submission.canonical(job))
            answer = idempotency.recall(connection, asked)
            if answer is None:
                row = submission.enter(connection, job, config, lease_ms=LEASE_MS)
                answer = idempotency.Answer(str(row["id"]).encode())
                idempotency.keep(connection, asked, answer)
                limits = {
                    "max_failures": job_model.MAX_FAILURES,
                    "max_losses": job_model.MAX_LOSSES,
                    "stall_ms": job_model.STALL_MS,
                }
                connection.execute(update(jobs).where(jobs.c.id == row["id"]).values(limits))
            return answer.body.decode()

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
                if self.standing.get(name) is not LearnerState.DRAINED:
                    self.standing[name] = LearnerState.ACTIVE
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
            before = self.model.held_with(name, key)
            if before is None:
                self.model.let_go(name, self.now)
            may = [before.job] if before else self.claimable(name)
            got = self.say(call)
            assert (got.job_id if got else None) in [job.id if job else None for job in may]
            if got is None:
                with self.database.read() as connection:
                    assert not dispatch.is_worth_claiming(connection, learner_id, key)
            elif before is None:
                job = self.model.jobs[got.job_id]
                begun = self.model.begin(job, got.attempt_id, name, key, self.now)
                assert got.epoch == begun.epoch
            else:
                assert (got.attempt_id, got.epoch) == (before.id, before.epoch)
        return None

    def claimable(self, name: str) -> list[ModelJob | None]:
        if self.standing[name] is LearnerState.ACTIVE:
            return self.model.claimable(name, self.now)
        return [None]

    @act(1, name=st.sampled_from(NAMES), state=st.sampled_from(LearnerState))
    def steer_a_learner(self, name: str, state: LearnerState) -> None:
        self.say(lambda connection: roster.steer(connection, self.learners[name][0], state))
        self.standing[name] = state

    @act(7, name=st.sampled_from(NAMES), priority=st.integers(-1, 1), started=st.booleans())
    def take(self, name: str, priority: int, started: bool) -> None:
        """Go the common way to an attempt, so that examples get to what comes after it."""
        self.submit(priority, Fate.ANSWERED)
        self.claim(name, True, Fate.ANSWERED)
        for attempt in self.model.held[-1:]:
            self.beat(attempt, Heartbeat(started=started), Fate.ANSWERED)

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
        if 0 < until_edge <= LEASE_MS:
            self.run(until_edge)
        self.write(which, says, fate)

    @act(1, which=WHICH)
    def hang(self, which: int) -> None:
        """Beat on, and get nowhere."""
        for attempt in self.model.held[which : which + 1]:
            for _ in range(3):
                self.beat(attempt, Heartbeat(started=True, iteration=1), Fate.ANSWERED)
                self.run(9_000)

    def beat(self, attempt: Attempt, says: Heartbeat, fate: Fate) -> None:
        is_first = says.started and not attempt.started
        # The first beat of a trainer tells where it starts, not how far it came.
        done = 0 if is_first and fate is not Fate.REPEATED else says.iteration
        for reply in self.told(
            attempt, fate, lambda c: dispatch.beat(c, attempt.id, says)[1], iteration=done
        ):
            if says.started:
                attempt.job.start(self.now)
            is_drained = self.standing[attempt.learner] is LearnerState.DRAINED
            wanted = attempt.job.desired
            wanted = Desired.PAUSE if is_drained and wanted is Desired.RUN else wanted
            assert str(reply.command).upper() == wanted

    def push(self, attempt: Attempt, what: Push, fate: Fate) -> None:
        seq = max(0, attempt.next_seq + what.off)
        points: list[float | None] = [1.0] * what.points
        says = ProgressPush(seq=seq, first=10 * seq, series={"minibatchLoss": points})
        if self.lives(attempt) and seq > attempt.next_seq:
            with pytest.raises(SequenceGap) as gap, self.database.write() as connection:
                progress.push(connection, attempt.id, says)
            assert gap.value.members == {"expectedSeq": attempt.next_seq}
            return
        done = 10 * seq + what.points

        def call(connection: Connection) -> tuple[str, ProgressReply]:
            return progress.push(connection, attempt.id, says)

        for _, reply in self.told(attempt, fate, call, iteration=done):
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
        elif fate is Fate.CUT or not self.lives(attempt):
            assert list(self.told(attempt, fate, call)) == []
        else:
            assert self.say(call) == attempt.job.id
            attempt.acknowledged, attempt.outcome = True, says
            self.end(attempt.job, says)
            self.look_for_quarantine(attempt.learner)
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

    @act(4, milliseconds=st.integers(1, 2 * LEASE_MS) | EDGES)
    def run(self, milliseconds: int) -> None:
        """Let time pass while a coordinator counts it."""
        while milliseconds > 0:
            self.count_the_time(Fate.ANSWERED)
            passing = min(milliseconds, job_model.GAP_MS)
            self.clock.move(passing)
            milliseconds -= passing

    @act(1, milliseconds=st.integers(-job_model.GAP_MS - 1, 3_600_000) | JUMPS)
    def jump(self, milliseconds: int) -> None:
        """Let time pass that nobody counts, or the clock be set."""
        self.clock.move(milliseconds)

    @act(2, fate=FATES)
    def count_the_time(self, fate: Fate) -> None:
        if fate is Fate.CUT:
            return self.cut(amnesty.mark_time)
        for _ in range(fate.value):
            gap = self.now - self.model.mark_ms
            assert self.say(amnesty.mark_time) == (gap if abs(gap) > job_model.GAP_MS else 0)
            self.model.mark(self.now)

    @act(3, fate=FATES)
    def reap(self, fate: Fate) -> None:
        if fate is Fate.CUT:
            return self.cut(lease.reap)
        for _ in range(fate.value):
            due = self.model.run_out(self.now)
            assert sorted(self.say(lease.reap)) == sorted(attempt.job.id for attempt in due)
            for attempt in due:
                attempt.job.lose(self.now, counted=attempt.acknowledged)
            stalled = self.model.stalled(self.now)
            ended = self.say(lease.end_stalled)
            assert sorted(ended) == sorted(attempt.job.id for attempt in stalled)
            for attempt in stalled:
                attempt.job.lose(self.now, counted=True)
        return None

    @act(1)
    def restart_the_coordinator(self) -> None:
        self.model.floor = max(self.model.floor + 1, self.now)
        assert self.say(dispatch.raise_boot_floor) == self.model.floor

    @act(1)
    def bring_every_job_home(self) -> None:
        """Nothing is stuck: whatever has happened, each job can still be worked on to its end."""
        for name in NAMES:
            self.steer_a_learner(name, LearnerState.ACTIVE)
        self.run(4 * LEASE_MS)
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
    with opened(database_url, Leases):
        run_state_machine_as_test(Leases, settings=profile)
    print(f"{Leases.steps} steps in {examples} examples")
