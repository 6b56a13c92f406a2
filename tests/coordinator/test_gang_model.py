"""Gangs under any order of events, on both databases: a job for several goes to all or to none."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, select, update

from ganforge.errors import Conflict, LeaseLost
from ganforge.wire.jobs import JobState
from ganforge.wire.learning import Assignment, Completion, Heartbeat, Outcome, ProgressPush
from ganforge_coordinator import (
    amnesty,
    dispatch,
    gang,
    lease,
    ledger,
    progress,
    roster,
    submission,
)
from ganforge_coordinator.db.models import attempt_members, jobs, learners, parked
from ganforge_coordinator.job import Trigger
from tests.coordinator import kept
from tests.coordinator.acts import FATES, NAMES, WHICH, Fate
from tests.coordinator.gang_model import Gang, GangModel
from tests.coordinator.job_model import ACKNOWLEDGE_MS, LEASE_MS, MAX_LOSSES, ModelJob
from tests.coordinator.running import a_job, claim_key
from tests.coordinator.store_machine import Store, opened
from tests.support.learners import TOGETHER, registration

WAIT_MS = 6_000
STEP_MS = 4_000  # less than what would be an amnesty's reason
WISHES = st.sampled_from([Trigger.PAUSE, Trigger.RESUME, Trigger.CANCEL])


class Gangs(Store):
    """Learners that wait for each other, work together, and fail each other."""

    def begin_anew(self) -> None:
        self.gangs = GangModel()
        self.say(dispatch.raise_boot_floor)
        self.say(amnesty.mark_time)
        for name in NAMES:
            self.start_anew(name)

    @rule(size=st.sampled_from([1, 2, 2, 3]), priority=st.integers(0, 1))
    def submit(self, size: int, priority: int) -> None:
        def call(connection: Connection) -> str:
            job = a_job(priority=priority, target_count=size)
            config = submission.check(connection, job, None)
            row = submission.enter(connection, job, config, lease_ms=LEASE_MS)
            limit = update(jobs).where(jobs.c.id == row["id"]).values(max_losses=MAX_LOSSES)
            connection.execute(limit)
            return str(row["id"])

        job_id = self.say(call)
        self.gangs.jobs[job_id] = ModelJob(job_id, priority, self.now)
        self.gangs.sizes[job_id] = size
        self.clock.move(1)  # of two jobs as old as each other, chance would decide

    @rule(which=WHICH, wish=WISHES)
    def steer(self, which: int, wish: Trigger) -> None:
        if going := self.going():
            job = going[which % len(going)]
            assert job.steer(wish, self.now)
            self.say(lambda c: ledger.apply(c, ledger.lock(c, job.id), wish))

    def going(self) -> list[ModelJob]:
        """Give the jobs that are not over."""
        return [job for job in self.gangs.jobs.values() if not job.state.is_final]

    @rule(name=st.sampled_from(NAMES))
    def start_anew(self, name: str) -> None:
        says = registration(name, strategies=[TOGETHER])
        learner_id = self.say(lambda connection: roster.register(connection, says))
        self.learners[name] = learner_id, says.boot_id
        self.gangs.parked.pop(name, None)
        self.gangs.let_go(name, self.now)

    @rule(name=st.sampled_from(NAMES), anew=st.booleans(), fate=FATES)
    def claim(self, name: str, anew: bool, fate: Fate) -> None:
        holds = self.gangs.held_by(name)
        key = self.key_of(name)
        if anew or key is None:
            key = claim_key()

        def call(connection: Connection) -> Assignment | None:
            learner_id = self.learners[name][0]
            return dispatch.claim(
                connection, learner_id, key, ack_ms=ACKNOWLEDGE_MS, wait_ms=WAIT_MS, address=name
            )

        if fate is Fate.CUT:
            return self.cut(call)
        for _ in range(fate.value):
            holds = self.gangs.held_by(name)
            got = self.say(call)
            self.gangs.parked.pop(name, None)
            if holds is not None and holds[0].leases[holds[1]].claim_key == key:
                self.is_told(got, *holds)
                continue
            self.gangs.let_go(name, self.now)
            job = self.gangs.first_single(self.now)
            if job is None:
                assert got is None
                self.gangs.parked[name] = key, self.now + WAIT_MS
            else:
                assert got is not None
                assert got.job_id == job.id
                begun = self.gangs.begin(job, got.attempt_id, got.epoch, [(name, key)], self.now)
                self.is_told(got, begun, 0)
        return None

    def key_of(self, name: str) -> str | None:
        """Give the claim that a learner waits or works by."""
        if name in self.gangs.parked:
            return self.gangs.parked[name][0]
        holds = self.gangs.held_by(name)
        return None if holds is None else holds[0].leases[holds[1]].claim_key

    def is_told(self, got: Assignment | None, of: Gang, rank: int) -> None:
        """Check that a member was told where it stands."""
        assert got is not None
        assert (got.attempt_id, got.epoch) == (of.lead.id, of.lead.epoch)
        assert (got.rank, got.world_size) == (rank, len(of.leases))
        assert got.rendezvous == (of.lead.learner if len(of.leases) > 1 else None)

    @rule(names=st.lists(st.sampled_from(NAMES), min_size=2, unique=True), fate=FATES)
    def wait_together(self, names: list[str], fate: Fate) -> None:
        """Go the common way to a gang, so that examples get to what comes after it."""
        for name in names:
            self.claim(name, False, Fate.ANSWERED)
        self.form(fate)

    @rule(name=st.sampled_from(NAMES))
    def give_up(self, name: str) -> None:
        was_parked = self.gangs.parked.pop(name, None) is not None
        learner_id = self.learners[name][0]
        assert self.say(lambda connection: gang.unpark(connection, learner_id)) == was_parked

    @rule(fate=FATES)
    def form(self, fate: Fate) -> None:
        def call(connection: Connection) -> list[str]:
            return gang.form(connection, ack_ms=ACKNOWLEDGE_MS)

        if fate is Fate.CUT:
            return self.cut(call)
        for _ in range(fate.value):
            job = self.gangs.formable(self.now)
            given = self.say(call)
            assert given == ([] if job is None else [job.id])
            if job is not None:
                self.take_in(job)
        return None

    def take_in(self, job: ModelJob) -> None:
        """Learn from the store who was chosen: exactly as many as the job takes, of who waited."""
        member = attempt_members.c
        query = (
            select(member.attempt_id, jobs.c.epoch, member.rank, learners.c.name, member.claim_key)
            .join(jobs, jobs.c.attempt_id == member.attempt_id)
            .join(learners, learners.c.id == member.learner_id)
            .where(jobs.c.id == job.id)
            .order_by(member.rank)
        )
        rows = self.say(lambda connection: connection.execute(query).all())
        chosen = [(row.name, row.claim_key) for row in rows]
        assert [row.rank for row in rows] == list(range(self.gangs.sizes[job.id]))
        assert len(set(chosen)) == len(chosen)
        assert set(chosen) <= set(self.gangs.choosable(self.now).items())
        assert rows[0].epoch > job.epoch
        self.gangs.begin(job, rows[0].attempt_id, rows[0].epoch, chosen, self.now)

    # What members write; ``rank`` may be one too many.

    def may(self, which: int, rank: int) -> tuple[Gang, int, bool] | None:
        """Pick a gang and a rank; tells also whether that member's lease lives."""
        if not self.gangs.gangs:
            return None
        chosen = (self.gangs.held[::-1] + self.gangs.gangs[::-1])[
            which % (len(self.gangs.held) + len(self.gangs.gangs))
        ]
        rank = min(rank, len(chosen.leases))
        lives = (
            rank < len(chosen.leases)
            and chosen.is_active
            and chosen.leases[rank].lease_until_ms > self.now
        )
        return chosen, rank, lives

    def answered(self, call: Any, *, lives: bool) -> bool:
        """Make a call as a member; one whose lease is gone must be refused."""
        if lives:
            self.say(call)
            return True
        with pytest.raises(LeaseLost):
            self.say(call)
        return False

    @rule(which=WHICH, rank=st.integers(0, 3), started=st.booleans())
    def beat(self, which: int, rank: int, started: bool) -> None:
        if (picked := self.may(which, rank)) is None:
            return
        of, rank, lives = picked
        says = Heartbeat(rank=rank, started=started)
        if self.answered(lambda c: dispatch.beat(c, of.lead.id, says), lives=lives):
            of.leases[rank].renew(self.now, self.now)
            if started:
                of.trained.add(rank)
            if len(of.trained) == len(of.leases):
                of.job.start(self.now)

    @rule(which=WHICH)
    def beat_as_one(self, which: int) -> None:
        """Beat as all members of a gang."""
        if self.gangs.held:
            for rank in range(len(self.gangs.held[::-1][which % len(self.gangs.held)].leases)):
                self.beat(which % len(self.gangs.held), rank, True)

    @rule(which=WHICH, rank=st.integers(0, 3))
    def push(self, which: int, rank: int) -> None:
        if (picked := self.may(which, rank)) is None:
            return
        of, rank, lives = picked
        seq = of.leases[rank].next_seq if rank < len(of.leases) else 0
        says = ProgressPush(rank=rank, seq=seq, first=seq, series={"minibatchLoss": [1.0]})
        if self.answered(lambda c: progress.push(c, of.lead.id, says), lives=lives):
            of.leases[rank].renew(self.now, self.now, seq + 1)
            of.leases[rank].next_seq += 1
            of.job.effects.append(("chunk", of.job.epoch, seq, 1))
            if rank == 0:
                of.job.iteration = seq + 1

    @rule(
        which=WHICH,
        rank=st.integers(0, 3),
        outcome=st.sampled_from([Outcome.SUCCEEDED, Outcome.RELEASED]),
    )
    def complete(self, which: int, rank: int, outcome: Outcome) -> None:
        if (picked := self.may(which, rank)) is None:
            return
        of, rank, lives = picked
        says = Completion(rank=rank, outcome=outcome, iteration=7)

        def call(connection: Connection) -> str:
            return dispatch.complete(connection, of.lead.id, says)

        if of.lead.outcome is not None:
            if of.lead.outcome == says:
                assert self.say(call) == of.job.id
            else:
                with pytest.raises(Conflict):
                    self.say(call)
        elif lives and rank > 0:
            with pytest.raises(Conflict, match="only rank 0"):
                self.say(call)
        elif self.answered(call, lives=lives):
            of.lead.acknowledged, of.lead.outcome, of.job.iteration = True, says, 7
            end = of.job.succeed if outcome is Outcome.SUCCEEDED else of.job.release
            end(self.now)

    # Time.

    @rule(steps=st.integers(1, 4))
    def run(self, steps: int) -> None:
        """Let time pass while a coordinator counts it."""
        for _ in range(steps):
            self.clock.move(STEP_MS)
            assert self.say(amnesty.mark_time) == 0

    @rule()
    def reap(self) -> None:
        due = {of.job.id: (of, gone) for of in self.gangs.held if (gone := of.run_out(self.now))}
        assert sorted(self.say(lease.reap)) == sorted(due)
        stored = self.say(kept.jobs)
        for job_id, (of, gone) in due.items():
            counted = not of.is_unheard(gone)
            of.job.lose(self.now, counted=counted)
            if not counted and len(of.leases) > 1 and stored[job_id]["state"] == "QUEUED":
                rests = stored[job_id]["run_after_ms"] - self.now
                assert gang.BACK_OFF_MS <= rests <= gang.BACK_OFF_LIMIT_MS
                of.job.run_after_ms = stored[job_id]["run_after_ms"]

    @rule()
    def bring_every_job_home(self) -> None:
        """Nothing is stuck: whatever has happened, learners that wait together end each job."""
        self.run(LEASE_MS // STEP_MS + 1)
        self.reap()
        self.run(gang.BACK_OFF_LIMIT_MS // STEP_MS + 1)
        for which, job in enumerate(self.going()):
            if job.state is JobState.PAUSED:
                self.steer(which, Trigger.RESUME)
        while before := len(self.going()):
            for name in NAMES:
                self.claim(name, True, Fate.ANSWERED)
                self.end_what_is_held()
            self.form(Fate.ANSWERED)
            self.end_what_is_held()
            assert len(self.going()) < before

    def end_what_is_held(self) -> None:
        for _ in self.gangs.held:
            self.complete(0, 0, Outcome.SUCCEEDED)

    # What holds after every step.

    @invariant()
    def the_store_keeps_what_the_model_says(self) -> None:
        type(self).steps += 1
        with self.database.read() as connection:
            kept_jobs = kept.jobs(connection)
            kept_members = kept.members(connection)
            kept_effects = kept.effects(connection)
            waiting = connection.execute(
                select(learners.c.name, parked.c.claim_key, parked.c.until_ms).join(
                    parked, parked.c.learner_id == learners.c.id
                )
            ).all()
        assert kept_jobs == {job.id: job.facts() for job in self.gangs.jobs.values()}
        members = [of.facts() for of in self.gangs.gangs]
        assert kept_members == {key: facts for told in members for key, facts in told.items()}
        assert {name: (key, until) for name, key, until in waiting} == self.gangs.parked
        for job_id, job in self.gangs.jobs.items():
            numbered = [(number, *effect) for number, effect in enumerate(job.effects, 1)]
            assert kept_effects[job_id] == numbered

    @invariant()
    def no_gang_is_partial_and_no_learner_is_in_two(self) -> None:
        for of in self.gangs.gangs:
            assert len(of.leases) == self.gangs.sizes[of.job.id]
        busy = [one.learner for of in self.gangs.held for one in of.leases]
        assert len(set(busy)) == len(busy)
        assert not set(busy) & set(self.gangs.parked)


@pytest.mark.timeout(1800)  # a failure is made small before it is told, and that takes its time
def test_gangs_are_whole_after_any_order_of_events(
    database_url: str, request: pytest.FixtureRequest
) -> None:
    examples = request.config.getoption("--model-examples")
    profile = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.explain},
    )
    Gangs.steps = 0
    with opened(database_url, Gangs):
        run_state_machine_as_test(Gangs, settings=profile)
    print(f"{Gangs.steps} steps in {examples} examples")
