"""Who is fenced writes nowhere any more: coordinator and repository under any order of events.

An epoch that the coordinator gives out is opened and checked at the repository, which knows nothing
of leases. Whatever is lost, repeated, late or forgotten, what a later attempt has opened stays its.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test
from sqlalchemy import update

from ganforge.errors import Conflict, LeaseLost, StaleEpoch
from ganforge.wire.learning import Heartbeat
from ganforge.wire.weights import SAFETENSORS, NetworkBlobs, OpenEpoch, SnapshotCommit
from ganforge_chassis.database import Database
from ganforge_coordinator import amnesty, dispatch, lease, roster, submission
from ganforge_coordinator.db.models import coordinator, jobs
from ganforge_repository import blobs, snapshots
from ganforge_repository.app import create_app
from ganforge_repository.checks import SafetensorsCheck
from ganforge_repository.settings import RepositorySettings
from ganforge_repository.upload import Upload
from tests.coordinator.acts import WHICH
from tests.coordinator.job_model import ACKNOWLEDGE_MS, LEASE_MS
from tests.coordinator.running import a_job, claim_key
from tests.coordinator.store_machine import Store, opened
from tests.repository.files import weights_of
from tests.support.learners import registration

LEARNERS = ["ada", "bob"]
STEP_MS = 4_000  # less than what would be an amnesty's reason


@dataclass(eq=False)
class Holder:
    """An attempt, from the side of who works on it: it does not know whether it is fenced."""

    id: str
    job: str
    epoch: int
    iteration: int = 0


class Fencing(Store):
    """Learners of which all but the latest are fenced, and go on all the same."""

    repository: Database
    weights: str  # the digest of a blob that is there

    def begin_anew(self) -> None:
        self.holders: list[Holder] = []
        self.open: dict[str, int] = {}  # job: the epoch the repository lets through
        self.latest: dict[str, tuple[int, int]] = {}  # job: epoch and iteration
        self.say(dispatch.raise_boot_floor)
        self.say(amnesty.mark_time)
        for name in LEARNERS:
            self.start_anew(name)
            self.submit()

    def submit(self) -> None:
        config = self.say(lambda connection: submission.check(connection, a_job(), None))
        self.say(lambda c: submission.enter(c, a_job(), config, lease_ms=LEASE_MS))

    @rule(name=st.sampled_from(LEARNERS))
    def start_anew(self, name: str) -> None:
        says = registration(name)
        self.learners[name] = self.say(lambda c: roster.register(c, says)), says.boot_id

    @rule(name=st.sampled_from(LEARNERS))
    def claim(self, name: str) -> None:
        """Work on what is there; what the learner held before is another's from now on."""
        id = self.learners[name][0]
        got = self.say(lambda c: dispatch.claim(c, id, claim_key(), ack_ms=ACKNOWLEDGE_MS))
        self.clock.move(1)
        if got is not None:
            assert all(got.epoch > one.epoch for one in self.holders if one.job == got.job_id)
            self.holders.append(Holder(got.attempt_id, got.job_id, got.epoch))

    @rule(which=WHICH)
    def open_epoch(self, which: int) -> None:
        if not self.holders:
            return
        holder = self.holders[::-1][which % len(self.holders)]
        request = OpenEpoch(epoch=holder.epoch, tag="run")
        is_stale = holder.epoch < self.open.get(holder.job, 0)
        if is_stale:
            with pytest.raises(StaleEpoch), self.repository.write() as connection:
                snapshots.open_epoch(connection, holder.job, request)
            return
        with self.repository.write() as connection:
            told = snapshots.open_epoch(connection, holder.job, request).snapshot
        self.open[holder.job] = holder.epoch
        known = None if told is None else (told.epoch, told.iteration)
        assert known == self.latest.get(holder.job)

    @rule(which=WHICH)
    def commit(self, which: int) -> None:
        if not self.holders:
            return
        holder = self.holders[::-1][which % len(self.holders)]
        body = SnapshotCommit(
            epoch=holder.epoch,
            iteration=holder.iteration + 1,
            tag="run",
            networks={"Generator": NetworkBlobs(weights=self.weights)},
        )
        stands = self.open.get(holder.job, 0)
        if holder.epoch != stands:
            refusal = StaleEpoch if holder.epoch < stands else Conflict  # it was never opened
            with pytest.raises(refusal), self.repository.write() as connection:
                snapshots.commit(connection, holder.job, body)
            return
        with self.repository.write() as connection:
            assert snapshots.commit(connection, holder.job, body)[1]
        holder.iteration += 1
        self.latest[holder.job] = holder.epoch, holder.iteration

    @rule(which=WHICH)
    def hand_over(self, which: int) -> None:
        """Go the common way to a second attempt at the job of a first, which goes on."""
        for name in LEARNERS:
            self.claim(name)
            self.open_epoch(0)
        self.open_epoch(which)
        self.commit(which)

    @rule(which=WHICH)
    def beat(self, which: int) -> None:
        """Beat as an attempt that may be fenced; at the coordinator only the latest may live."""
        if not self.holders:
            return
        holder = self.holders[::-1][which % len(self.holders)]
        is_latest = all(one.epoch <= holder.epoch for one in self.holders if one.job == holder.job)
        try:
            self.say(lambda c: dispatch.beat(c, holder.id, Heartbeat(started=True)))
        except LeaseLost:
            return
        assert is_latest

    @rule()
    def lose_all(self) -> None:
        """Let all leases run out."""
        for _ in range(LEASE_MS // STEP_MS + 1):
            self.clock.move(STEP_MS)
            assert self.say(amnesty.mark_time) == 0
        self.say(lease.reap)
        self.say(lambda connection: connection.execute(update(jobs).values(losses=0)))

    @rule()
    def restart_the_coordinator(self) -> None:
        self.say(dispatch.raise_boot_floor)

    @rule()
    def fail_over_to_an_older_copy(self) -> None:
        """Forget every epoch that was given out, and the floor under them; no attempt lives."""
        self.lose_all()
        self.say(lambda connection: connection.execute(update(jobs).values(epoch=0)))
        self.say(lambda connection: connection.execute(update(coordinator).values(boot_floor=0)))

    @invariant()
    def the_repository_keeps_what_the_latest_has_committed(self) -> None:
        type(self).steps += 1
        for job in self.open:
            with self.repository.read() as connection:
                kept = snapshots.find_latest(connection, job)
            told = None if kept is None else (kept.epoch, kept.iteration)
            assert told == self.latest.get(job)


@pytest.mark.timeout(1800)  # a failure is made small before it is told, and that takes its time
def test_who_is_fenced_writes_nowhere_any_more(
    database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    examples = request.config.getoption("--model-examples")
    profile = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.explain},
    )
    given = {"data": tmp_path / "repository", "tokens": "admin:0123456789abcdef"}
    app = create_app(RepositorySettings.model_validate(given))
    Fencing.steps = 0
    with closing(app.state.database) as Fencing.repository, opened(database_url, Fencing):
        upload = Upload(
            app.state.store, SafetensorsCheck(), media_type=SAFETENSORS, max_bytes=1 << 30
        )
        upload.feed(weights_of("Generator", 0))
        received = upload.finish()
        with blobs.registering(Fencing.repository, app.state.store, received):
            Fencing.weights = received.digest
        run_state_machine_as_test(Fencing, settings=profile)
    print(f"{Fencing.steps} steps in {examples} examples")
