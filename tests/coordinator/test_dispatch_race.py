"""Many threads at once: every job is claimed once, every lease is either renewed or taken back."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, text, update

from ganforge.errors import Conflict, LeaseLost
from ganforge.wire.jobs import JobState
from ganforge_chassis import migrations
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database
from ganforge_coordinator import amnesty, dispatch, lease, ledger, roster, submission
from ganforge_coordinator.db.models import attempt_members, attempts, jobs, learners
from ganforge_coordinator.db.models import coordinator as coordinators
from ganforge_coordinator.job import Trigger
from tests.coordinator.running import Coordinator, Work, a_job, claim_key
from tests.support.learners import registration

InThread = Callable[..., Future[Any]]
LEARNERS = 16
JOBS = 200


def test_sixteen_learners_claim_two_hundred_jobs_each_once(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    submitted = {coordinator.submit().id for _ in range(JOBS)}
    learners = [coordinator.learner(f"learner-{index}") for index in range(LEARNERS)]
    begin = threading.Barrier(LEARNERS)

    def claim_all(learner: Any) -> list[str]:
        begin.wait()
        taken: list[str] = []
        # A skipped row is a row that another one holds for a moment: only waiting ends the queue.
        while (assignment := learner.claim(wait_seconds=0.5)) is not None:
            Work(coordinator.client, assignment).complete()
            taken.append(assignment.job_id)
        return taken

    takers = [in_thread(claim_all, learner) for learner in learners]
    claimed = Counter(job_id for taker in takers for job_id in taker.result(60))
    assert set(claimed) == submitted
    assert set(claimed.values()) == {1}


def test_a_heartbeat_that_races_the_reaper_never_wins_together_with_it(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    for _ in range(5):
        works = [coordinator.learner(f"learner-{index}") for index in range(8)]
        for _ in works:
            coordinator.submit()
        held = [learner.work() for learner in works]
        begin = threading.Barrier(2 * len(held))
        outcomes = [in_thread(beat_at_the_edge, coordinator, work, begin) for work in held]
        reapers = [in_thread(reap_often, coordinator.database, begin) for _ in held]
        reaped = {job_id for future in reapers for job_id in future.result(30)}
        for work, outcome in zip(held, outcomes, strict=True):
            renewed = outcome.result(30)
            if not renewed:
                coordinator.until(work.job_id, JobState.QUEUED)  # the last of the reapers' looks
            lost = coordinator.row(work.job_id)["attempt_id"] != work.id
            assert renewed != lost
            assert not (renewed and work.job_id in reaped)
        coordinator.forget_everything()


def beat_at_the_edge(coordinator: Coordinator, work: Work, begin: threading.Barrier) -> bool:
    """Let the lease run out, perhaps, and beat at that very moment; tell whether it was renewed."""
    begin.wait()
    if random.random() < 0.5:
        coordinator.expire(work.id)
    try:
        work.beat()
    except LeaseLost:
        return False
    return True


def reap_often(database: Database, begin: threading.Barrier) -> list[str]:
    begin.wait()
    reaped = []
    for _ in range(3):
        with database.write() as connection:
            reaped += lease.reap(connection)
    return reaped


def test_claims_cancels_and_restarts_of_learners_at_once_leave_no_half_state(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    database = coordinator.database
    submitted = [coordinator.submit().id for _ in range(30)]

    def churn(number: int) -> None:
        for _ in range(6):
            learner = coordinator.learner(f"learner-{number % 4}")
            # Superseded by its namesake, or its job cancelled: nothing worse may happen.
            with suppress(Conflict):
                assignment = learner.claim()
                if assignment is not None:
                    Work(coordinator.client, assignment).beat()

    def cancel(job_id: str) -> None:
        with database.write() as connection:
            ledger.apply(connection, ledger.lock(connection, job_id), Trigger.CANCEL)

    workers = [in_thread(churn, number) for number in range(8)]
    workers += [in_thread(cancel, job_id) for job_id in submitted[:10]]
    for worker in workers:
        worker.result(60)
    with database.read() as connection:
        held = select(jobs.c.id).where(jobs.c.attempt_id.is_not(None))
        active = select(attempts.c.job_id).where(attempts.c.state == "ACTIVE")
        assert sorted(connection.scalars(held)) == sorted(connection.scalars(active))


# On SQLite one writer comes after the other, so there is no such race.
@pytest.mark.parametrize("running_coordinator", ["postgresql"], indirect=True)
def test_a_heartbeat_that_came_in_time_wins_over_a_reaper_that_looked_too_early(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    coordinator.submit()
    work = coordinator.learner().work()
    with coordinator.database.write() as connection:
        connection.execute(update(attempt_members).values(lease_until_ms=now_ms() + 2000))
    with coordinator.database.write() as beating:
        lease.guard(beating, work.id, 0)  # in time, but not yet committed
        with coordinator.database.read() as connection:
            connection.execute(text("SELECT pg_sleep(2.1)"))  # the old lease runs out
        reaping = in_thread(reap_once, coordinator.database)
        until_one_waits_for_a_lock(coordinator.database)
    assert reaping.result(60) == []
    assert work.push(0, 0, [1.0]).applied


@pytest.mark.parametrize("running_coordinator", ["postgresql"], indirect=True)
def test_a_heartbeat_and_a_completion_of_one_learner_wait_for_each_other_in_one_order(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    job = coordinator.submit()
    learner = coordinator.learner()
    work = learner.work()
    with coordinator.database.write() as beating:
        seen = update(learners).where(learners.c.id == learner.id)
        beating.execute(seen.values(last_seen_ms=now_ms()))
        completing = in_thread(work.complete)
        until_one_waits_for_a_lock(coordinator.database)
        lease.guard(beating, work.id, 0)
    completing.result(60)
    assert coordinator.client.job(job.id).state == "SUCCEEDED"


# On SQLite a write waits before its transaction begins, so there is nothing to tell apart.
@pytest.mark.parametrize("running_coordinator", ["postgresql"], indirect=True)
def test_a_push_that_waits_while_its_job_is_cancelled_is_refused(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    with coordinator.database.write() as cancelling:
        row = ledger.lock(cancelling, job.id)
        pushing = in_thread(lambda: work.push(0, 0, [1.0]))
        until_one_waits_for_a_lock(coordinator.database)
        ledger.apply(cancelling, row, Trigger.CANCEL)
    with pytest.raises(LeaseLost):
        pushing.result(60)
    assert coordinator.client.progress(job.id).total == 0


# On SQLite one writer comes after the other, so none waits for a row.
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_amnesty_and_a_reaper_wait_for_each_other_in_one_order(
    database_url: str, in_thread: InThread
) -> None:
    with closing(Database(database_url)) as database:
        migrations.upgrade(database, "ganforge_coordinator")
        with database.write() as connection:
            dispatch.raise_boot_floor(connection)
            held = [claimed(connection, name) for name in ("first", "second")]
        with database.write() as reaping:
            for job_id, _ in sorted(held):
                ledger.lock(reaping, job_id)
            lease.guard(reaping, held[1][1], 0)
            pardoning = in_thread(lambda: mark_time(database))
            until_one_waits_for_a_lock(database)
            lease.guard(reaping, held[0][1], 0)
        pardoning.result(60)


def claimed(connection: Connection, name: str) -> tuple[str, str]:
    """Submit a job and claim it; gives the ids of job and attempt."""
    config = submission.check(connection, a_job(), None)
    submission.enter(connection, a_job(), config, lease_ms=30_000)
    learner_id = roster.register(connection, registration(name))
    told = dispatch.claim(connection, learner_id, claim_key(), ack_ms=30_000)
    assert told is not None
    return told.job_id, told.attempt_id


def mark_time(database: Database) -> int:
    with database.write() as connection:
        return amnesty.mark_time(connection)


def reap_once(database: Database) -> list[str]:
    with database.write() as connection:
        return lease.reap(connection)


def until_one_waits_for_a_lock(database: Database) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while True:
        with database.read() as connection:
            if connection.scalar(waiting):
                return


def test_the_floor_of_the_epochs_rises_with_every_start(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    database = coordinator.database
    with database.write() as connection:
        connection.execute(delete(coordinators))
    begin = threading.Barrier(8)

    def start() -> int:
        begin.wait()
        with database.write() as connection:
            return dispatch.raise_boot_floor(connection)

    floors = [started.result(30) for started in [in_thread(start) for _ in range(8)]]
    assert len(set(floors)) == 8
    with database.write() as connection:
        assert dispatch.raise_boot_floor(connection) > max(floors)
