"""Many threads at once: every job is claimed once, every lease is either renewed or taken back."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from sqlalchemy import select

from ganforge.errors import Conflict, LeaseLost
from ganforge_chassis.database import Database
from ganforge_coordinator import dispatch, lease, ledger
from ganforge_coordinator.db.models import attempts, jobs
from ganforge_coordinator.job import Trigger
from tests.coordinator.running import Coordinator, Work

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


def test_the_floor_of_the_epochs_rises_with_every_start(coordinator: Coordinator) -> None:
    database = coordinator.database
    floors = []
    for _ in range(5):
        with database.write() as connection:
            floors.append(dispatch.raise_boot_floor(connection))
    assert floors == sorted(set(floors))
