"""Time that nobody counted counts against nobody; a trainer that hangs does."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text, update

from ganforge.errors import LeaseLost
from ganforge.wire.jobs import JobState
from ganforge.wire.learning import Command
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import amnesty, lease
from ganforge_coordinator.db.models import attempt_members, jobs
from ganforge_coordinator.db.models import coordinator as singleton
from tests.coordinator.conftest import Start
from tests.coordinator.running import Coordinator
from tests.support.system import until

HOUR_MS = 3_600_000
NEVER = 60.0


def shift_all(coordinator: Coordinator, milliseconds: int) -> None:
    """Put what is stored so far into the past, or the future: as if the clock had jumped."""
    with coordinator.database.write() as connection:
        shift(connection, milliseconds)


def shift(connection: Connection, milliseconds: int) -> None:
    # First what the reaper locks first.
    connection.execute(update(singleton).values(alive_ms=singleton.c.alive_ms - milliseconds))
    connection.execute(
        update(attempt_members).values(
            lease_until_ms=attempt_members.c.lease_until_ms - milliseconds,
            advanced_ms=attempt_members.c.advanced_ms - milliseconds,
        )
    )
    connection.execute(update(jobs).values(run_after_ms=jobs.c.run_after_ms - milliseconds))


def mark(coordinator: Coordinator) -> int:
    with coordinator.database.write() as connection:
        return amnesty.mark_time(connection)


def reap(coordinator: Coordinator) -> list[str]:
    with coordinator.database.write() as connection:
        return lease.reap(connection)


@pytest.mark.parametrize("jump_ms", [600_000, HOUR_MS, -HOUR_MS], ids=["10min", "+1h", "-1h"])
def test_a_learner_that_beats_again_after_a_gap_has_lost_nothing(
    start: Start, jump_ms: int
) -> None:
    with start(reap_seconds=NEVER) as before:
        job = before.submit()
        work = before.learner().work()
        shift_all(before, jump_ms)
    with start() as after:
        work.client = after.client
        assert work.push(0, 0, [1.0]).applied
        told = after.client.job(job.id)
        assert (told.state, len(told.attempts)) == (JobState.RUNNING, 1)
        assert after.row(job.id)["losses"] == 0


def test_a_lease_renewed_while_an_amnesty_is_given_lives_on(start: Start) -> None:
    with start(reap_seconds=NEVER) as coordinator, ThreadPoolExecutor() as threads:
        coordinator.submit()
        work = coordinator.learner().work()
        shift_all(coordinator, HOUR_MS)
        with coordinator.database.write() as connection:
            assert amnesty.mark_time(connection) >= HOUR_MS
            beat = threads.submit(work.beat)
            until(lambda: somebody_waits(coordinator), "the beat waits")
        assert beat.result().command == Command.RUN
        assert work.push(0, 0, [1.0]).applied


def somebody_waits(coordinator: Coordinator) -> bool:
    """Say whether PostgreSQL lets somebody wait; on SQLite whoever writes now waits anyway."""
    if coordinator.database.is_sqlite:
        return True
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with coordinator.database.read() as connection:  # one transaction sees one state of it
        return bool(connection.execute(text(waiting)).scalar_one())


def test_after_a_gap_a_silent_learner_has_one_whole_lease_and_no_more(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    shift_all(coordinator, HOUR_MS)
    mark(coordinator)  # the coordinator's own thread may have been faster
    assert reap(coordinator) == []
    with coordinator.database.read() as connection:
        left = connection.execute(
            attempt_members.select().with_only_columns(attempt_members.c.lease_until_ms - now_ms())
        ).scalar_one()
    assert 0 < left <= coordinator.row(job.id)["lease_ttl_ms"]
    coordinator.expire(work.id)
    coordinator.until(job.id, JobState.QUEUED)


def test_a_lease_that_had_run_out_before_the_gap_stays_so(start: Start) -> None:
    with start(reap_seconds=NEVER) as coordinator:
        coordinator.submit()
        work = coordinator.learner().work()
        coordinator.expire(work.id)
        shift_all(coordinator, -HOUR_MS)
        coordinator.expire(work.id)
        with pytest.raises(LeaseLost):
            work.beat()


def test_a_clock_that_goes_back_makes_no_resting_job_rest_longer(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    with coordinator.database.write() as connection:
        connection.execute(update(jobs).values(run_after_ms=now_ms() + HOUR_MS))
        connection.execute(update(singleton).values(alive_ms=now_ms() + HOUR_MS))
    assert coordinator.learner().take().job_id == job.id


def test_a_trainer_that_hangs_loses_its_attempt_though_its_learner_lives(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit(stall_seconds=1)
    work = coordinator.learner().work()
    work.beat(iteration=5)
    coordinator.until(job.id, JobState.QUEUED)
    with pytest.raises(LeaseLost):
        work.beat(iteration=5)
    (attempt,) = coordinator.client.job(job.id).attempts
    assert (attempt.state, attempt.end_reason) == ("LOST", "stalled")
    assert coordinator.row(job.id)["losses"] == 1


def test_what_advances_or_waits_or_has_yet_to_begin_is_not_stalled(start: Start) -> None:
    with start(reap_seconds=NEVER) as coordinator:
        mark(coordinator)  # the first mark is an amnesty
        learners = [coordinator.learner(name) for name in ("fast", "waiting", "first", "hung")]
        ids = [coordinator.submit(stall_seconds=30).id for _ in learners]
        fast, waiting, first, hung = (learner.work() for learner in learners)
        for work in (fast, waiting, hung):
            work.beat(iteration=5)
        long_ago(coordinator)
        fast.push(0, 5, [1.0])
        waiting.beat(iteration=5, waiting=True)
        hung.beat(iteration=5)
        first.beat()
        with coordinator.database.write() as connection:
            assert lease.end_stalled(connection) == [ids[3]]


def test_time_that_nobody_counted_makes_no_trainer_hang(start: Start) -> None:
    with start(reap_seconds=NEVER) as coordinator:
        coordinator.submit()
        coordinator.learner().work()
        with coordinator.database.write() as connection:
            shift(connection, HOUR_MS)  # in one transaction: nobody can mark the time between
            assert lease.end_stalled(connection) == []


def long_ago(coordinator: Coordinator) -> None:
    with coordinator.database.write() as connection:
        past = attempt_members.c.advanced_ms - 60_000
        connection.execute(update(attempt_members).values(advanced_ms=past))


def test_without_a_deadline_of_its_own_a_slow_job_may_take_twenty_iterations(
    start: Start,
) -> None:
    with start(reap_seconds=NEVER) as coordinator:
        slow, unknown = coordinator.submit().id, coordinator.submit().id
        works = [coordinator.learner(name).work() for name in ("a", "b")]
        works[0].push(0, 0, [1.0], iterations_per_second=0.01)  # 20 take 2,000 s
        works[1].push(0, 0, [1.0])
        with coordinator.database.write() as connection:
            amnesty.mark_time(connection)  # however long ago that was done
            past = attempt_members.c.advanced_ms - 1_000_000
            connection.execute(update(attempt_members).values(advanced_ms=past))
            assert lease.end_stalled(connection) == [unknown]
            connection.execute(update(attempt_members).values(advanced_ms=past - 2_000_000))
            assert lease.end_stalled(connection) == [slow]


def test_a_beat_between_a_clock_gone_back_and_the_next_mark_costs_nothing(start: Start) -> None:
    with start(reap_seconds=NEVER) as coordinator:
        mark(coordinator)  # the first mark is an amnesty
        job = coordinator.submit()
        work = coordinator.learner().work()
        with coordinator.database.write() as connection:
            shift(connection, -HOUR_MS)
            lease.guard(connection, work.id, 0)
            assert amnesty.mark_time(connection) < 0
            assert lease.reap(connection) == []
        assert work.push(0, 0, [1.0]).applied
        assert len(coordinator.client.job(job.id).attempts) == 1
