"""Leases: renewed while they live, never after; nothing a fenced learner says changes anything."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, make_url, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from ganforge.errors import Conflict, LeaseLost, NotFound, ServerFailed
from ganforge.wire.jobs import JobAction, JobError, JobState
from ganforge.wire.learning import Command, Outcome
from ganforge_chassis.clock import now_ms
from ganforge_coordinator.db.models import (
    attempt_members,
    attempts,
    job_events,
    jobs,
    progress_chunks,
)
from tests.coordinator.conftest import Start
from tests.coordinator.running import Coordinator, Work, claim_key

# A reaper that does not come: what is refused is refused by the guard alone.
NEVER = 60.0

WRITES: dict[str, Callable[[Work], Any]] = {
    "beat": lambda work: work.beat(),
    "push": lambda work: work.push(0, 0, [1.0]),
    "snapshot": lambda work: work.note(5),
    "succeed": lambda work: work.complete(),
    "fail": lambda work: work.complete(Outcome.FAILED),
    "release": lambda work: work.complete(Outcome.RELEASED),
}


def everything(coordinator: Coordinator, job_id: str) -> dict[str, Any]:
    """Give all that a learner could have changed of a job, beside the expiry itself."""
    with coordinator.database.read() as connection:
        counts = [
            connection.scalar(select(func.count()).where(table.c.job_id == job_id))
            for table in (job_events, progress_chunks, attempts)
        ]
        leases = connection.execute(
            select(attempt_members.c.active, attempt_members.c.next_seq, attempts.c.state)
            .join(attempts)
            .order_by(attempts.c.epoch)
        )
        return {**coordinator.row(job_id), "counts": counts, "leases": leases.all()}


def test_an_expired_lease_can_neither_be_renewed_nor_used(start: Start) -> None:
    with start(reap_seconds=NEVER) as coordinator:
        for name, write in WRITES.items():
            job = coordinator.submit()
            work = coordinator.learner(name).work()
            coordinator.expire(work.id)
            before = everything(coordinator, job.id)
            with pytest.raises(LeaseLost):
                write(work)
            assert everything(coordinator, job.id) == before, name


@pytest.mark.parametrize("write", WRITES)
def test_no_learner_is_told_yes_before_its_write_is_committed(
    coordinator: Coordinator, write: str
) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    before = everything(coordinator, job.id)
    with no_commit(coordinator), pytest.raises(ServerFailed):
        WRITES[write](work)
    assert everything(coordinator, job.id) == before


@contextmanager
def no_commit(coordinator: Coordinator) -> Iterator[None]:
    """Let no request commit, as when the database goes away just then."""

    def fail(connection: Connection) -> None:
        is_write = connection.get_execution_options().get("ganforge_write")
        if is_write and threading.current_thread().name not in ("reaper", "watch"):
            raise OperationalError("COMMIT", {}, Exception("the test wants it so"))

    event.listen(coordinator.database.engine, "commit", fail)
    try:
        yield
    finally:
        event.remove(coordinator.database.engine, "commit", fail)


@pytest.mark.parametrize("write", WRITES)
def test_a_fenced_learner_changes_nothing_while_the_next_one_works(
    coordinator: Coordinator, write: str
) -> None:
    job = coordinator.submit()
    zombie = coordinator.learner("first").work()
    coordinator.expire(zombie.id)
    heir = coordinator.learner("second").work()
    before = everything(coordinator, job.id)
    with pytest.raises(LeaseLost):
        WRITES[write](zombie)
    assert everything(coordinator, job.id) == before
    assert heir.push(0, 0, [1.0]).applied
    assert heir.epoch > zombie.epoch


@pytest.mark.parametrize("write", WRITES)
def test_a_cancelled_job_is_fenced_at_once(coordinator: Coordinator, write: str) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    assert coordinator.client.steer(job.id, JobAction.CANCEL).state is JobState.CANCELLED
    before = everything(coordinator, job.id)
    with pytest.raises(LeaseLost):
        WRITES[write](work)
    assert everything(coordinator, job.id) == before


def test_a_waiting_heartbeat_hears_of_a_cancel_and_of_a_stop_at_once(
    coordinator: Coordinator, in_thread: Callable[..., Any]
) -> None:
    stopped = coordinator.submit()
    work = coordinator.learner("a").work()
    reply = in_thread(lambda: work.beat(wait_seconds=25))
    coordinator.client.steer(stopped.id, JobAction.STOP)
    assert reply.result(20).command is Command.STOP
    cancelled = coordinator.submit()
    work = coordinator.learner("b").work()
    reply = in_thread(lambda: work.beat(wait_seconds=25))
    coordinator.client.steer(cancelled.id, JobAction.CANCEL)
    with pytest.raises(LeaseLost):
        reply.result(20)


def test_the_reaper_gives_a_lost_job_to_the_next_learner_and_counts_the_loss(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit()
    work = coordinator.learner("first").work()
    coordinator.expire(work.id)
    heir = coordinator.learner("second").work()
    told = coordinator.client.job(job.id)
    assert [attempt.state for attempt in told.attempts] == ["LOST", "ACTIVE"]
    assert coordinator.row(job.id)["losses"] == 1
    heir.note(10)
    assert coordinator.row(job.id)["losses"] == 0  # it gets on


def test_a_claim_that_was_never_acknowledged_returns_to_the_queue_without_a_count(
    start: Start,
) -> None:
    with start(acknowledge_seconds=1) as coordinator:
        job = coordinator.submit()
        first = coordinator.learner("first").take()
        second = coordinator.learner("second").take()  # waits until the first claim has run out
        row = coordinator.row(job.id)
        assert (row["losses"], row["failures"], row["state"]) == (0, 0, "STARTING")
        assert second.epoch > first.epoch
        with pytest.raises(LeaseLost):
            first.beat()


def test_a_heartbeat_acknowledges_a_claim_before_the_trainer_runs(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    work = coordinator.learner().take()
    assert work.beat(started=False).command is Command.RUN
    assert coordinator.client.job(job.id).state is JobState.STARTING
    coordinator.expire(work.id)
    coordinator.until(job.id, JobState.QUEUED)
    assert coordinator.row(job.id)["losses"] == 1


def test_a_learner_that_starts_anew_loses_its_old_leases_at_once(start: Start) -> None:
    with start(reap_seconds=NEVER) as coordinator:
        job = coordinator.submit()
        before = coordinator.learner("same")
        work = before.work()
        after = coordinator.learner("same")
        with pytest.raises(LeaseLost):
            work.push(0, 0, [1.0])
        with pytest.raises(Conflict, match="has started since"):
            before.claim()
        assert after.take().job_id == job.id


def test_a_learner_that_registers_again_keeps_its_lease(coordinator: Coordinator) -> None:
    coordinator.submit()
    learner = coordinator.learner("same", boot_id="boot-0001")
    work = learner.work()
    assert coordinator.learner("same", boot_id="boot-0001").id == learner.id
    work.beat()


def test_an_older_process_of_the_same_name_cannot_come_back(coordinator: Coordinator) -> None:
    coordinator.learner("same", boot_id="boot-0001")
    coordinator.learner("same", boot_id="boot-0002")
    with pytest.raises(Conflict, match="has started since"):
        coordinator.learner("same", boot_id="boot-0001")


def test_only_a_learner_that_has_registered_may_claim(coordinator: Coordinator) -> None:
    learner = coordinator.learner()
    learner.id = "nobody"
    with pytest.raises(NotFound, match="register first"):
        learner.claim()


def test_the_same_claim_key_gives_the_same_assignment(coordinator: Coordinator) -> None:
    coordinator.submit()
    coordinator.submit()
    learner, key = coordinator.learner(), claim_key()
    first = learner.claim(key)
    assert first is not None
    assert learner.claim(key) == first
    Work(coordinator.client, first).beat()
    assert learner.claim(key) == first


def test_a_claim_key_whose_assignment_was_taken_back_claims_anew(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    learner, key = coordinator.learner(), claim_key()
    first = learner.claim(key)
    assert first is not None
    coordinator.expire(first.attempt_id)
    coordinator.until(job.id, JobState.QUEUED)
    second = learner.claim(key)
    assert second is not None
    assert second.epoch > first.epoch


def test_completing_again_in_the_same_words_changes_nothing(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    work.complete(iteration=7)
    before = everything(coordinator, job.id)
    work.complete(iteration=7)
    assert everything(coordinator, job.id) == before
    with pytest.raises(Conflict, match="in other words"):
        work.complete(Outcome.FAILED, iteration=7)


def test_a_failed_job_rests_and_then_goes_on_until_it_has_failed_too_often(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit()
    learner = coordinator.learner()
    error = JobError(slug="diverged", detail="the loss is NaN")
    for _ in range(3):
        learner.work().complete(Outcome.FAILED, error=error)
        no_rest(coordinator, job.id)
    told = coordinator.client.job(job.id)
    assert (told.state, told.reason, told.error) == (JobState.FAILED, "FAILED_TOO_OFTEN", error)
    assert coordinator.client.steer(job.id, JobAction.RETRY).state is JobState.QUEUED
    learner.work().complete()
    assert coordinator.client.job(job.id).error is None


def no_rest(coordinator: Coordinator, job_id: str) -> None:
    row = coordinator.row(job_id)
    if row["state"] == "QUEUED":
        assert row["run_after_ms"] > row["updated_ms"]
    with coordinator.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(run_after_ms=0))


def test_a_released_job_goes_on_at_once_and_counts_nothing(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    first = coordinator.learner("first").work()
    first.complete(Outcome.RELEASED)
    second = coordinator.learner("second").work()
    row = coordinator.row(job.id)
    assert (row["losses"], row["failures"]) == (0, 0)
    assert second.epoch > first.epoch


def test_a_paused_job_rests_after_its_release_and_goes_on_when_resumed(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit()
    learner = coordinator.learner()
    work = learner.work()
    assert coordinator.client.steer(job.id, JobAction.PAUSE).state is JobState.RUNNING
    assert work.beat().command is Command.PAUSE
    work.complete(Outcome.RELEASED)
    assert coordinator.client.job(job.id).state is JobState.PAUSED
    assert learner.claim() is None
    assert coordinator.client.steer(job.id, JobAction.RESUME).state is JobState.QUEUED
    assert learner.take().job_id == job.id


def test_a_stopped_job_keeps_what_it_learnt(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    coordinator.client.steer(job.id, JobAction.STOP)
    assert work.beat().command is Command.STOP
    work.note(12, version=3)
    work.complete(iteration=12)
    told = coordinator.client.job(job.id)
    assert (told.state, told.reason) == (JobState.SUCCEEDED, "STOPPED_EARLY")
    assert told.weights["Generator"].version == 3
    assert told.weights["Generator"].tag == told.tag == job.id


def test_epochs_grow_over_a_restart_of_the_coordinator(start: Start) -> None:
    epochs = []
    with start() as coordinator:
        job = coordinator.submit()
        work = coordinator.learner().work()
        epochs.append(work.epoch)
    with start() as coordinator:
        Work(coordinator.client, work.assignment).beat()  # a restart costs no lease
        coordinator.expire(work.id)
        epochs.append(coordinator.learner("other").work().epoch)
        assert coordinator.client.job(job.id).state is JobState.RUNNING
    assert epochs[0] < epochs[1]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_epochs_grow_over_a_restored_database(
    start: Start, database_url: str, tmp_path: Path
) -> None:
    file, backup = Path(str(make_url(database_url).database)), tmp_path / "backup.db"
    with start() as coordinator:
        job = coordinator.submit()
        learner = coordinator.learner(boot_id="boot-0001")
        copy(file, backup)
        seen = []
        for _ in range(5):
            work = learner.work()
            seen.append(work.epoch)
            work.complete(Outcome.RELEASED)
    copy(backup, file)
    with start() as coordinator:
        assert coordinator.client.job(job.id).epoch < max(seen)  # it has forgotten
        epoch = coordinator.learner(boot_id="boot-0001").work().epoch
        assert epoch > max(seen)


def test_epochs_grow_over_a_failover_to_an_older_database_while_the_coordinator_runs(
    coordinator: Coordinator,
) -> None:
    job, learner = coordinator.submit(), coordinator.learner()
    seen = []
    for _ in range(3):
        work = learner.work()
        seen.append(work.epoch)
        work.complete(Outcome.RELEASED)
    with coordinator.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(epoch=seen[0]))
    assert learner.work().epoch > max(seen)


def copy(source: Path, target: Path) -> None:
    old, new = sqlite3.connect(source), sqlite3.connect(target)
    with old, new:
        old.backup(new)
    old.close()
    new.close()


def test_many_learners_of_one_name_that_start_at_once_leave_one_current(
    coordinator: Coordinator, in_thread: Callable[..., Any]
) -> None:
    started = [in_thread(lambda: coordinator.learner("same").id) for _ in range(8)]
    ids = {future.result(30) for future in started}
    assert len(ids) == 8
    assert len(coordinator.client.learners()) == 1


def test_a_waiting_claim_gets_a_job_as_soon_as_it_is_submitted(
    coordinator: Coordinator, in_thread: Callable[..., Any]
) -> None:
    learner = coordinator.learner()
    claimed = in_thread(lambda: learner.claim(wait_seconds=25))
    job = coordinator.submit()
    assert claimed.result(20).job_id == job.id


def test_a_claim_is_answered_in_order_of_priority_then_age(coordinator: Coordinator) -> None:
    later = coordinator.submit(name="later")
    low = coordinator.submit(name="low", priority=-1)
    high = coordinator.submit(name="high", priority=5)
    taken = [coordinator.learner(name).take().job_id for name in ("ada", "bob", "cyd")]
    assert taken == [high.id, later.id, low.id]


def test_a_learner_that_claims_anew_holds_nothing_else(coordinator: Coordinator) -> None:
    coordinator.submit(name="first", priority=1)
    coordinator.submit(name="second")
    learner = coordinator.learner()
    before = learner.work()
    assert learner.take().job_id == before.job_id  # at once its turn again
    row = coordinator.row(before.job_id)
    assert (row["state"], row["losses"]) == ("STARTING", 1)
    with pytest.raises(LeaseLost):
        before.beat()


def test_the_database_itself_forbids_a_learner_two_leases_in_one_slot(
    coordinator: Coordinator,
) -> None:
    coordinator.submit()
    coordinator.submit()
    works = [coordinator.learner(name).work() for name in ("ada", "bob")]
    adas, bobs = (attempt_members.c.attempt_id == work.id for work in works)
    ada = select(attempt_members.c.learner_id).where(adas).scalar_subquery()
    take_over = update(attempt_members).where(bobs).values(learner_id=ada)
    with pytest.raises(IntegrityError), coordinator.database.write() as connection:
        connection.execute(take_over)


def test_a_lease_lives_as_long_as_its_job_says(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    with coordinator.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job.id).values(lease_ttl_ms=250_000))
    work = coordinator.learner().work()
    assert work.beat().lease_seconds == 250
    with coordinator.database.read() as connection:
        left = connection.execute(
            select(attempt_members.c.lease_until_ms - now_ms()).where(
                attempt_members.c.attempt_id == work.id
            )
        ).scalar_one()
    assert 200_000 < left <= 250_000


def test_a_learner_is_given_only_what_it_can_do(coordinator: Coordinator) -> None:
    coordinator.learner("knows")
    coordinator.submit(dataset="digits")
    assert coordinator.learner("knows-nothing", datasets=[]).claim() is None
    assert coordinator.learner("has-no-strategy", strategies=[]).claim() is None
