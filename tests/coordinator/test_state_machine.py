"""The store under any order of events: no two holders, no lost point, no job that comes back.

A model runs beside the real store on SQLite; after every step both must agree.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update

from ganforge.errors import Conflict, InvalidState, LeaseLost, SequenceGap
from ganforge.wire.jobs import JobState
from ganforge.wire.learning import (
    Assignment,
    Completion,
    Heartbeat,
    Outcome,
    ProgressPush,
    SnapshotNote,
)
from ganforge_chassis import migrations
from ganforge_chassis.database import Database
from ganforge_coordinator import dispatch, events, lease, ledger, progress, roster, submission
from ganforge_coordinator.amnesty import EXPIRED_MS
from ganforge_coordinator.db.models import attempt_members, attempts, jobs, metadata
from ganforge_coordinator.job import Trigger
from tests.coordinator.running import a_job, claim_key
from tests.support.learners import registration

LEASE_MS = 300_000
PEOPLE = [Trigger.STOP, Trigger.PAUSE, Trigger.RESUME, Trigger.CANCEL, Trigger.RETRY]
NAMES = ["ada", "bob", "cyd"]


class Store:
    """One migrated database for all examples, emptied before each."""

    def __init__(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="ganforge-model-")
        self.folder = folder
        self.database = Database(f"sqlite:///{Path(folder.name) / 'model.db'}")
        migrations.upgrade(self.database, "ganforge_coordinator")

    def empty(self) -> None:
        with self.database.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
            dispatch.raise_boot_floor(connection)


class Held:
    """What the model knows of one attempt."""

    def __init__(self, assignment: Assignment, learner: str) -> None:
        self.id, self.job_id, self.epoch = (
            assignment.attempt_id,
            assignment.job_id,
            assignment.epoch,
        )
        self.learner = learner
        self.alive = True  # neither ended nor run out
        self.ended = False  # the store has been told, or has found out
        self.acknowledged = False
        self.started = False
        self.pushes = 0


class Leases(RuleBasedStateMachine):
    """Learners that come, work, vanish and come back; owners that change their minds."""

    store: Store
    submitted = Bundle("submitted")
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.store.empty()
        self.database = self.store.database
        self.epochs: dict[str, list[int]] = {}
        self.points: dict[str, int] = {}
        self.all_held: list[Held] = []
        self.finals: dict[str, JobState] = {}
        self.learners: dict[str, str] = {}
        for name in NAMES:
            self._register(name)

    def _register(self, name: str) -> None:
        with self.database.write() as connection:
            self.learners[name] = roster.register(connection, registration(name))

    def _row(self, job_id: str) -> dict[str, Any]:
        with self.database.read() as connection:
            return dict(ledger.find(connection, job_id))

    def _end(self, held: Held) -> None:
        held.alive, held.ended = False, True

    def _end_all_of(self, name: str) -> None:
        for held in self.all_held:
            if held.learner == name:
                self._end(held)

    def _refused(self, held: Held, call: Any) -> Any:
        """Call as this attempt; a dead one must be refused and change nothing."""
        if held.alive:
            with self.database.write() as connection:
                return call(connection)
        before = self._row(held.job_id)
        with pytest.raises(LeaseLost), self.database.write() as connection:
            call(connection)
        assert self._row(held.job_id) == before
        return None

    @rule(target=submitted)
    def submit(self) -> str:
        job = a_job()
        with self.database.write() as connection:
            config = submission.check(connection, job, None)
            row = submission.enter(connection, job, config, key=None, body=b"", lease_ms=LEASE_MS)
        self.epochs[row["id"]], self.points[row["id"]] = [], 0
        return str(row["id"])

    @rule(target=held, name=st.sampled_from(NAMES))
    def claim(self, name: str) -> Any:
        with self.database.write() as connection:
            connection.execute(update(jobs).values(run_after_ms=0))
            queued = select(jobs.c.id).where(jobs.c.state == "QUEUED")
            waiting = connection.scalars(queued).all()
            key = claim_key()
            options: dict[str, Any] = {"ack_ms": LEASE_MS}
            learner_id = self.learners[name]
            assignment = dispatch.claim(connection, learner_id, key, **options)
            again = dispatch.claim(connection, learner_id, key, **options)
        let_go = {held.job_id for held in self.all_held if held.learner == name and not held.ended}
        self._end_all_of(name)
        if assignment is None:
            assert not waiting
            return multiple()
        assert again == assignment
        assert assignment.job_id in {*waiting, *let_go}
        epochs = self.epochs[assignment.job_id]
        assert not epochs or assignment.epoch > epochs[-1]
        epochs.append(assignment.epoch)
        self.all_held.append(Held(assignment, name))
        return self.all_held[-1]

    @rule(held=held, started=st.booleans())
    def beat(self, held: Held, started: bool) -> None:
        say = Heartbeat(started=started)
        told = self._refused(held, lambda c: dispatch.beat(c, held.id, say))
        if held.alive:
            held.acknowledged = True
            held.started |= started
            wanted = self._row(held.job_id)["desired"]
            assert str(told.command).upper() == wanted

    @rule(held=held, off=st.sampled_from([-1, 0, 0, 0, 1]), points=st.integers(1, 5))
    def push(self, held: Held, off: int, points: int) -> None:
        seq = max(0, held.pushes + off)
        series: dict[str, list[float | None]] = {"minibatchLoss": [1.0] * points}
        push = ProgressPush(seq=seq, first=10 * seq, series=series)
        if held.alive and seq > held.pushes:
            with pytest.raises(SequenceGap) as gap, self.database.write() as connection:
                progress.push(connection, held.id, push)
            assert gap.value.members == {"expectedSeq": held.pushes}
            return
        told = self._refused(held, lambda c: progress.push(c, held.id, push))
        if told is not None:
            held.acknowledged = True
            assert told[1].applied == (seq == held.pushes)
            if told[1].applied:
                held.pushes += 1
                self.points[held.job_id] += 1

    @rule(held=held, iteration=st.integers(0, 3))
    def note(self, held: Held, iteration: int) -> None:
        note = SnapshotNote(iteration=iteration, versions={"Generator": iteration + 1})
        said = self._refused(held, lambda c: dispatch.note_snapshot(c, held.id, note))
        if said is not None:
            held.acknowledged = True

    @rule(held=held, outcome=st.sampled_from(list(Outcome)), permanent=st.booleans())
    def complete(self, held: Held, outcome: Outcome, permanent: bool) -> None:
        said = Completion(outcome=outcome, iteration=1, permanent=permanent)

        def call(connection: Any) -> Any:
            return dispatch.complete(connection, held.id, said)

        if self._completed_as(held) is not None:
            before = self._row(held.job_id)
            if self._completed_as(held) == said.model_dump(mode="json"):
                with self.database.write() as connection:
                    call(connection)
            else:
                with pytest.raises(Conflict), self.database.write() as connection:
                    call(connection)
            assert self._row(held.job_id) == before
            return
        self._refused(held, call)
        if held.alive:
            self._end(held)

    def _completed_as(self, held: Held) -> Any:
        with self.database.read() as connection:
            said = select(attempts.c.outcome).where(attempts.c.id == held.id)
            return connection.execute(said).scalar_one()

    @rule(job_id=submitted, wish=st.sampled_from(PEOPLE))
    def steer(self, job_id: str, wish: Trigger) -> None:
        before = self._row(job_id)
        try:
            with self.database.write() as connection:
                ledger.apply(connection, ledger.lock(connection, job_id), wish)
        except InvalidState:
            assert self._row(job_id) == before
            return
        if wish is Trigger.RETRY:
            self.finals.pop(job_id, None)
        if wish is Trigger.CANCEL:
            for held in self.all_held:
                if held.job_id == job_id:
                    self._end(held)

    @precondition(lambda self: any(held.alive for held in self.all_held))
    @rule(held=held)
    def run_out(self, held: Held) -> None:
        if held.alive:
            held.alive = False
            with self.database.write() as connection:
                connection.execute(
                    update(attempt_members)
                    .where(attempt_members.c.attempt_id == held.id)
                    .values(lease_until_ms=EXPIRED_MS)
                )

    @rule()
    def reap(self) -> None:
        due = {held.job_id: held for held in self.all_held if not held.alive and not held.ended}
        before = {job_id: self._row(job_id) for job_id in due}
        with self.database.write() as connection:
            assert set(lease.reap(connection)) == set(due)
        for job_id, held in due.items():
            self._end(held)
            counted = self._row(job_id)["losses"] - before[job_id]["losses"]
            assert counted == int(held.acknowledged)

    @rule(name=st.sampled_from(NAMES))
    def start_anew(self, name: str) -> None:
        self._register(name)
        self._end_all_of(name)

    @rule()
    def restart_the_coordinator(self) -> None:
        with self.database.write() as connection:
            dispatch.raise_boot_floor(connection)

    @invariant()
    def one_holder_at_most_and_only_of_a_job_in_work(self) -> None:
        with self.database.read() as connection:
            rows = connection.execute(select(jobs)).mappings().all()
            active = select(attempts.c.job_id, attempts.c.id).where(attempts.c.state == "ACTIVE")
            holders = connection.execute(active).all()
        assert len({job_id for job_id, _ in holders}) == len(holders)
        working = {row["id"]: row["attempt_id"] for row in rows if row["attempt_id"]}
        assert working == {row.job_id: row.id for row in holders}
        assert set(working) == {r["id"] for r in rows if r["state"] in ("STARTING", "RUNNING")}
        assert set(working.values()) == {held.id for held in self.all_held if not held.ended}
        learners = [held.learner for held in self.all_held if not held.ended]
        assert len(set(learners)) == len(learners)

    @invariant()
    def what_is_over_stays_over(self) -> None:
        for job_id in self.epochs:
            row = self._row(job_id)
            state = JobState(row["state"])
            assert (row["finished_ms"] is not None) == state.is_final
            assert self.finals.get(job_id, state) is state
            if state.is_final:
                self.finals[job_id] = state

    @invariant()
    def events_and_points_are_those_of_the_model_without_gaps(self) -> None:
        for job_id, points in self.points.items():
            with self.database.read() as connection:
                last = ledger.find(connection, job_id)["last_seq"]
                told = events.after(connection, job_id, 0, until=last)
            assert [event.id for event in told] == list(range(1, last + 1))[: events.BATCH]
            if last < events.BATCH:
                assert sum(event.type == "progress" for event in told) == points


def test_any_order_of_events_keeps_the_promises() -> None:
    Leases.store = Store()
    thorough = os.environ.get("GANFORGE_THOROUGH")
    profile = settings(
        max_examples=2000 if thorough else 40,
        stateful_step_count=50 if thorough else 30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(Leases, settings=profile)
    finally:
        Leases.store.database.close()
        Leases.store.folder.cleanup()
