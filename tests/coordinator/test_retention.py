"""What was kept long enough goes, a few rows at a time; what was promised for ever stays."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Table, func, insert, select, update

from ganforge.errors import NotFound
from ganforge.wire.jobs import JobAction, JobEvent, JobState
from ganforge.wire.learning import Claim
from ganforge.wire.quality import QualityNote
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import gang, retention, roster, thinning
from ganforge_coordinator.db.models import (
    idempotency_keys,
    job_events,
    jobs,
    learners,
    progress_chunks,
)
from ganforge_coordinator.janitor import Janitor
from ganforge_coordinator.keeping import DAY_MS, Keeping
from tests.coordinator.conftest import Start
from tests.coordinator.running import Coordinator, Work, a_job, claim_key
from tests.support.learners import TOGETHER, registration
from tests.support.qualities import quality

KEEPING = Keeping(
    progress_ms=90 * DAY_MS,
    events_ms=90 * DAY_MS,
    learners_ms=90 * DAY_MS,
)
FOR_EVER = Keeping(progress_ms=0, events_ms=0, learners_ms=0)
HOUR_MS = 3_600_000


def tidy_up(coordinator: Coordinator, keeping: Keeping = KEEPING) -> dict[str, int]:
    return Janitor(coordinator.database, keeping, seconds=0).make_round()


def due(coordinator: Coordinator, keeping: Keeping = KEEPING) -> dict[str, int]:
    with coordinator.database.read() as connection:
        return retention.due(connection, keeping)


def count(coordinator: Coordinator, table: Table) -> int:
    with coordinator.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


AGES = (
    (jobs, "finished_ms"),
    (job_events, "at_ms"),
    (idempotency_keys, "created_ms"),
    (learners, "last_seen_ms"),
)


def let_pass(coordinator: Coordinator, milliseconds: int) -> None:
    """Let everything there is have happened so long ago."""
    with coordinator.database.write() as connection:
        for table, column in AGES:
            past = {column: table.c[column] - milliseconds}
            connection.execute(update(table).values(past))


@pytest.fixture
def a_year(coordinator: Coordinator) -> Callable[[], None]:
    return lambda: let_pass(coordinator, 365 * DAY_MS)


def finished(coordinator: Coordinator, losses: Sequence[float], *, per_push: int = 500) -> Work:
    """Learn a job with these losses to its end."""
    coordinator.submit(config={"maxIterations": len(losses)})
    work = coordinator.learner().work()
    for seq, first in enumerate(range(0, len(losses), per_push)):
        work.push(seq, first, list(losses[first : first + per_push]))
    work.complete(iteration=len(losses))
    return work


def curve(coordinator: Coordinator, job_id: str) -> dict[int, float | None]:
    """Read all of a job's losses by iteration, one line each."""
    lines = coordinator.send("GET", f"/v1/jobs/{job_id}/progress.ndjson").text.splitlines()
    points = [json.loads(line) for line in lines]
    told = {point["iteration"]: point["minibatchLoss"] for point in points}
    assert list(told) == sorted(told)
    assert len(told) == len(points)
    return told


def test_of_old_progress_the_extremes_of_every_run_and_the_last_point_stay(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    losses = np.random.default_rng(7).normal(1, 0.1, 20_000).round(3).tolist()
    losses[12_345] = 99.0
    losses[3_210] = -99.0
    job_id = finished(coordinator, losses).job_id
    whole = curve(coordinator, job_id)
    a_year()
    assert due(coordinator)["progress"] == 40
    assert tidy_up(coordinator)["progress"] == 40
    left = curve(coordinator, job_id)
    assert left.items() <= whole.items()
    assert (left[12_345], left[3_210], left[19_999]) == (99.0, -99.0, losses[-1])
    assert 1_000 < len(left) <= thinning.POINTS_KEPT
    for run in range(0, 20_000, 1_000):
        told = [left[n] for n in range(run, run + 1_000) if n in left]
        assert max(told) == max(losses[run : run + 1_000])  # type: ignore[type-var]
        assert min(told) == min(losses[run : run + 1_000])  # type: ignore[type-var]
    assert count(coordinator, progress_chunks) == 1
    assert tidy_up(coordinator)["progress"] == 0
    assert curve(coordinator, job_id) == left
    chart = coordinator.client.progress(job_id, max_points=100)
    assert {99.0, -99.0} <= set(chart.series["minibatchLoss"])
    assert chart.total == len(left)


def test_a_short_job_keeps_all_its_points(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    job_id = finished(coordinator, [float(n) for n in range(900)], per_push=10).job_id
    whole = curve(coordinator, job_id)
    a_year()
    assert tidy_up(coordinator)["progress"] == 90
    assert curve(coordinator, job_id) == whole
    assert count(coordinator, progress_chunks) == 1


def test_a_part_of_thinned_progress_can_be_asked_for(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    job_id = finished(coordinator, [float(n) for n in range(9_000)]).job_id
    a_year()
    tidy_up(coordinator)
    left = curve(coordinator, job_id)
    for first, last in ((0, 10), (4_000, 5_000), (8_990, 8_999)):
        part = coordinator.client.progress(job_id, first=first, last=last, max_points=10_000)
        assert part.iterations == [n for n in left if first <= n <= last]


def test_points_that_do_not_count_go_and_a_batch_may_end_anywhere(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    coordinator.submit(config={"maxIterations": 600})
    work = coordinator.learner("ada").work()
    for n in range(300):
        work.push(n, n, [float(n)])
    work = coordinator.learner("ada").work(resume_iteration=200)
    for n in range(400):
        work.push(n, 200 + n, [1000.0 + n])
    work.complete(iteration=600)
    whole = curve(coordinator, work.job_id)
    assert whole[200] == 1000.0
    a_year()
    batches = 0
    while retention.retire_some(coordinator.database, KEEPING).get("progress"):
        batches += 1
        assert curve(coordinator, work.job_id) == whole
    assert batches == -(-700 // thinning.CHUNKS_AT_ONCE)
    assert count(coordinator, progress_chunks) <= 2 * batches


def test_a_job_that_is_retried_goes_on_from_what_was_thinned_out(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    work = finished(coordinator, [float(n) for n in range(5_000)])
    a_year()
    tidy_up(coordinator)
    before = curve(coordinator, work.job_id)
    coordinator.client.steer(work.job_id, JobAction.RETRY)
    again = coordinator.learner().work(resume_iteration=4_000)
    again.push(0, 4_000, [7.0] * 100)
    assert curve(coordinator, work.job_id) == {
        **{n: loss for n, loss in before.items() if n < 4_000},
        **dict.fromkeys(range(4_000, 4_100), 7.0),
    }
    assert tidy_up(coordinator)["progress"] == 0  # it is not over


def test_what_is_young_or_goes_on_stays(coordinator: Coordinator) -> None:
    young = finished(coordinator, [1.0] * 3_000)
    coordinator.submit(config={"maxIterations": 3_000})
    running = coordinator.learner().work()
    running.push(0, 0, [1.0] * 3_000)
    let_pass(coordinator, 23 * HOUR_MS)
    assert not any(due(coordinator).values())
    assert not any(tidy_up(coordinator).values())
    assert len(curve(coordinator, young.job_id)) == len(curve(coordinator, running.job_id)) == 3_000


def test_what_is_to_be_kept_for_ever_is(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    work = finished(coordinator, [1.0] * 3_000)
    a_year()
    before = coordinator.events(work.job_id)
    assert due(coordinator, FOR_EVER).keys() == {"idempotencyKeys"}
    gone = tidy_up(coordinator, FOR_EVER)
    assert not any(count for kind, count in gone.items() if kind != "idempotencyKeys")
    assert coordinator.events(work.job_id) == before
    assert min(due(coordinator)[kind] for kind in ("progress", "events", "learners")) > 0


def told_in_order(events: list[JobEvent], after: int) -> None:
    """Hold that every number is told once, or told to be retired."""
    number = after
    for event in events:
        first = event.data["first"] if event.type == "retired" else event.id
        assert first == number + 1
        number = event.id


def test_a_follower_is_told_of_events_that_were_retired(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    coordinator.submit()
    work = coordinator.learner().work()
    for iteration in range(60):
        work.note(iteration, version=iteration + 1)
    note = QualityNote(
        iteration=2, network="Generator", tag="run", version=3, is_best=True, quality=quality(12.0)
    )
    work.client.note_quality(work.id, note)
    work.push(0, 0, [1.0, 2.0])
    work.complete(iteration=2)
    before = coordinator.events(work.job_id)
    told_in_order(before, 0)
    a_year()
    assert tidy_up(coordinator)["events"] == len(before) - 2
    for after in (0, 1, 30, len(before) - 1):
        events = list(coordinator.client.follow(work.job_id, after=after))
        told_in_order(events, after)
        assert events[0].type == "retired"
        assert f"events {after + 1} to" in events[0].data["detail"]
        assert events[-1].id == len(before)
    kinds = [event.type for event in coordinator.events(work.job_id)]
    assert kinds == ["retired", "quality", "progress", "retired"]
    headers = {"Last-Event-ID": str(len(before))}
    answer = coordinator.send("GET", f"/v1/jobs/{work.job_id}/events", headers=headers)
    assert answer.status_code == 204
    # And what the job came to is told as ever.
    assert coordinator.client.quality(work.job_id) == [note]
    assert coordinator.client.job(work.job_id).state is JobState.SUCCEEDED


def test_a_key_is_forgotten_after_a_day(coordinator: Coordinator) -> None:
    body = a_job().model_dump(mode="json", by_alias=True)

    def submit() -> Any:
        headers = {"Idempotency-Key": "the-key"}
        return coordinator.send("POST", "/v1/jobs", json=body, headers=headers).json()["id"]

    first = submit()
    let_pass(coordinator, 23 * HOUR_MS)
    tidy_up(coordinator)
    assert submit() == first
    let_pass(coordinator, 2 * HOUR_MS)
    assert tidy_up(coordinator)["idempotencyKeys"] == 1
    assert submit() != first


def test_of_a_learner_long_gone_only_the_name_is_kept_where_attempts_name_it(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    idle = coordinator.learner("idle")
    job = coordinator.submit()
    worker = coordinator.learner("worker")
    work = worker.work()
    work.complete()
    coordinator.learner("worker")  # started anew since
    a_year()
    coordinator.learner("alive")
    assert tidy_up(coordinator)["learners"] == 3
    assert [told.name for told in coordinator.client.learners()] == ["alive"]
    assert [told.learner for told in coordinator.client.job(job.id).attempts] == ["worker"]
    assert count(coordinator, learners) == 2
    for gone in (idle, worker):
        with pytest.raises(NotFound, match="register first"):
            coordinator.client.claim(gone.id, Claim(claim_key=claim_key()), wait_seconds=0)
    assert tidy_up(coordinator)["learners"] == 0
    back = coordinator.learner("worker")
    coordinator.submit()
    assert back.take().job_id != job.id


def test_a_learner_whose_coordinator_died_while_it_waited_goes_like_any_other(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    learner = coordinator.learner(strategies=[TOGETHER])
    with coordinator.database.write() as connection:
        row = roster.find(connection, learner.id)
        gang.park(connection, row, claim_key(), wait_ms=1, address=None)
    a_year()
    assert tidy_up(coordinator)["learners"] == 1
    assert count(coordinator, learners) == 0


def test_a_learner_that_holds_a_job_is_kept_however_silent(
    coordinator: Coordinator, a_year: Callable[[], None]
) -> None:
    coordinator.submit()
    boot = registration("ada")
    coordinator.client.register(boot)
    coordinator.learner("ada", boot_id=boot.boot_id).work()
    a_year()
    assert tidy_up(coordinator)["learners"] == 0


def many_old_events(coordinator: Coordinator, how_many: int) -> str:
    job = coordinator.submit()
    rows = [
        {"job_id": job.id, "job_seq": n, "type": "state", "epoch": 1, "data": {}}
        for n in range(10, 10 + how_many)
    ]
    with coordinator.database.write() as connection:
        old = now_ms() - 365 * DAY_MS
        connection.execute(insert(job_events).values(at_ms=old), rows)
    return job.id


def test_a_batch_has_no_more_than_a_thousand_rows(coordinator: Coordinator) -> None:
    many_old_events(coordinator, 2_500)
    batches: Iterator[int] = iter(
        lambda: retention.retire_some(coordinator.database, KEEPING).get("events", 0), 0
    )
    assert list(batches) == [1_000, 1_000, 500]
    assert count(coordinator, job_events) == 1


def test_two_janitors_at_once_retire_each_row_once(coordinator: Coordinator) -> None:
    finished(coordinator, [1.0] * 600, per_push=1)
    many_old_events(coordinator, 3_000)
    with coordinator.database.write() as connection:
        connection.execute(
            update(jobs)
            .where(jobs.c.finished_ms.is_not(None))
            .values(finished_ms=now_ms() - 365 * DAY_MS)
        )
    with ThreadPoolExecutor(3) as threads:
        rounds = list(threads.map(lambda _: tidy_up(coordinator), range(3)))
    assert sum(each["events"] for each in rounds) == 3_000
    assert sum(each["progress"] for each in rounds) == 600
    assert not any(due(coordinator).values())


def test_a_coordinator_retires_by_itself_and_counts_it(start: Start) -> None:
    with start(retire_seconds=0.05) as coordinator:
        job_id = many_old_events(coordinator, 1_200)
        told = ""
        while 'ganforge_retired_total{kind="events"} 1200.0' not in told:
            told = coordinator.send("GET", "/metrics").text
        assert [event.job_seq for event in rows_of(coordinator, job_id)] == [1]


def rows_of(coordinator: Coordinator, job_id: str) -> Any:
    with coordinator.database.read() as connection:
        return connection.execute(select(job_events).where(job_events.c.job_id == job_id)).all()


# PostgreSQL's autovacuum does it there.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_gives_the_space_back(start: Start, database_url: str) -> None:
    file = Path(database_url.removeprefix("sqlite:///"))
    with start() as coordinator:
        many_old_events(coordinator, 20_000)
    full = file.stat().st_size
    with start() as coordinator:
        assert tidy_up(coordinator)["events"] == 20_000
    assert file.stat().st_size < full / 4
