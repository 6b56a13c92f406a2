"""The points that count: each iteration once, whatever was resumed; the same at every reading."""

import io
import json
import uuid
from dataclasses import dataclass, field

import numpy as np
import pyarrow.ipc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, QueuePool, insert

from ganforge.errors import Conflict
from ganforge.wire.learning import ProgressPush
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database
from ganforge_coordinator import columns, history, progress, thinning
from ganforge_coordinator.db.models import attempt_members, attempts, jobs
from ganforge_coordinator.history import STREAMED_CHUNKS
from ganforge_coordinator.thinning import CHUNKS_AT_ONCE
from tests.coordinator.running import Coordinator, Work

MANY = 2 * STREAMED_CHUNKS + 5


@pytest.fixture
def work(coordinator: Coordinator) -> Work:
    coordinator.submit()
    return coordinator.learner().work()


def push_many(coordinator: Coordinator, work: Work, count: int = MANY) -> None:
    """Push many chunks of two points, by the store itself: it is faster than HTTP."""
    with coordinator.database.write() as connection:
        for seq in range(count):
            told = {"minibatchLoss": [float(seq), 0.5]}
            push = ProgressPush(seq=seq, first=2 * seq, series={**told})
            progress.push(connection, work.id, push)


def lines(coordinator: Coordinator, job_id: str) -> list[tuple[int, float | None]]:
    answer = coordinator.send("GET", f"/v1/jobs/{job_id}/progress.ndjson", role="read")
    told = [json.loads(line) for line in answer.text.splitlines()]
    return [(point["iteration"], point["minibatchLoss"]) for point in told]


def test_all_lines_come_in_order_however_many_chunks_there_are(
    coordinator: Coordinator, work: Work
) -> None:
    push_many(coordinator, work)
    wanted = [point for n in range(MANY) for point in ((2 * n, float(n)), (2 * n + 1, 0.5))]
    assert lines(coordinator, work.job_id) == wanted


def test_arrow_tells_the_same_as_the_lines(coordinator: Coordinator, work: Work) -> None:
    push_many(coordinator, work)
    late: dict[str, list[float | None]] = {"minibatchLoss": [None], "dLossReal": [0.25]}
    work.client.push_progress(work.id, ProgressPush(seq=MANY, first=9999, series=late))
    answer = coordinator.send("GET", f"/v1/jobs/{work.job_id}/progress.arrow", role="read")
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    table = pyarrow.ipc.open_stream(answer.content).read_all()
    assert [(f.name, str(f.type)) for f in table.schema] == [
        ("iteration", "int64"),
        ("minibatchLoss", "float"),
        ("dLossReal", "float"),
    ]
    told = lines(coordinator, work.job_id)
    assert table["iteration"].to_pylist() == [iteration for iteration, _ in told]
    losses = np.array([np.nan if loss is None else loss for _, loss in told], np.float32)
    assert np.array_equal(table["minibatchLoss"].to_numpy(), losses, equal_nan=True)
    assert np.isnan(table["dLossReal"].to_numpy()[:-1]).all()
    assert table["dLossReal"].to_pylist()[-1] == 0.25


def test_arrow_of_no_progress_is_an_empty_table(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    answer = coordinator.send("GET", f"/v1/jobs/{job.id}/progress.arrow")
    table = pyarrow.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert (table.column_names, table.num_rows) == (["iteration"], 0)


@pytest.mark.parametrize("ending", ["progress", "progress.ndjson", "progress.arrow"])
def test_the_progress_of_an_unknown_job_is_not_found(coordinator: Coordinator, ending: str) -> None:
    answer = coordinator.send("GET", f"/v1/jobs/job-00000000/{ending}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_is_pushed_while_all_is_streamed_is_left_for_the_next_time(
    coordinator: Coordinator, work: Work
) -> None:
    push_many(coordinator, work)
    with coordinator.database.read() as connection:
        known = history.find(connection, work.job_id)
    stream = history.stream(coordinator.database, known)
    told = [next(stream)]
    work.push(MANY, 2 * MANY, [1.0])
    coordinator.expire(work.id)
    coordinator.learner("second").work(resume_iteration=3)
    told += list(stream)
    assert sum(len(part) for part in told) == 2 * MANY
    assert len(lines(coordinator, work.job_id)) == 3


def test_a_slow_reader_of_everything_holds_no_connection_and_few_points(
    coordinator: Coordinator, work: Work
) -> None:
    push_many(coordinator, work)
    with coordinator.database.read() as connection:
        known = history.find(connection, work.job_id)
    own = Database(coordinator.database.engine.url.render_as_string(hide_password=False))
    pool = own.engine.pool
    assert isinstance(pool, QueuePool)
    for part in history.stream(own, known):
        assert pool.checkedout() == 0
        assert len(part) <= 2 * STREAMED_CHUNKS
    own.close()


def test_a_chart_is_the_same_bytes_every_time_and_is_not_sent_twice(
    coordinator: Coordinator, work: Work
) -> None:
    push_many(coordinator, work)
    path = f"/v1/jobs/{work.job_id}/progress?maxPoints=20"
    first, again = (coordinator.send("GET", path, role="read") for _ in range(2))
    assert first.content == again.content
    assert first.headers["etag"] == again.headers["etag"]
    assert first.headers["etag"].startswith('"')  # strong
    named = {"If-None-Match": first.headers["etag"]}
    unchanged = coordinator.send("GET", path, role="read", headers=named)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == first.headers["etag"]
    work.push(MANY, 2 * MANY, [1.0])
    changed = coordinator.send("GET", path, role="read", headers=named)
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_each_question_has_an_etag_of_its_own_and_a_resume_changes_it(
    coordinator: Coordinator, work: Work
) -> None:
    push_many(coordinator, work, 3)
    path = f"/v1/jobs/{work.job_id}/progress"
    asked = ["", "?maxPoints=20", "?from=1", "?to=1", "?from=1&to=1"]
    tags = [coordinator.send("GET", path + query).headers["etag"] for query in asked]
    coordinator.expire(work.id)
    coordinator.learner("second").work(resume_iteration=2)
    tags += [coordinator.send("GET", path + query).headers["etag"] for query in asked]
    assert len(set(tags)) == 2 * len(asked)


def test_thinning_out_changes_the_etag_and_breaks_a_stream_off_rather_than_double_points(
    coordinator: Coordinator, work: Work
) -> None:
    push_many(coordinator, work, 2 * CHUNKS_AT_ONCE + 1)
    work.complete(iteration=100_000)
    path = f"/v1/jobs/{work.job_id}/progress"
    tags = [coordinator.send("GET", path).headers["etag"]]
    with coordinator.database.read() as connection:
        stream = history.stream(coordinator.database, history.find(connection, work.job_id))
    next(stream)
    for _ in range(3):
        with coordinator.database.write() as connection:
            assert thinning.thin_some(connection, -60_000, [work.job_id])
        tags.append(coordinator.send("GET", path).headers["etag"])
    assert len(set(tags)) == 4
    with pytest.raises(Conflict):
        list(stream)


# Attempts as they may come: each began somewhere, said so or not, and pushed as it liked.


@dataclass
class Try:
    """One attempt: where it began, whether it lived to say so, how long its pushes are."""

    resume: int
    says_so: bool
    pushes: list[int] = field(default_factory=list)
    step: int = 1

    @property
    def points(self) -> list[int]:
        return [self.resume + self.step * n for n in range(sum(self.pushes))]


TRIES = st.lists(
    st.builds(
        Try,
        resume=st.integers(0, 12),
        says_so=st.booleans(),
        pushes=st.lists(st.integers(1, 5), max_size=4),
        step=st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
)


def that_count(tries: list[Try]) -> list[tuple[int, float]]:
    """The points that count, as anybody would reckon: later attempts overwrite from where on."""
    kept: list[tuple[int, float]] = []
    for number, each in enumerate(tries):
        began = each.resume if each.says_so else min(each.points, default=None)
        if began is not None:
            kept = [(iteration, loss) for iteration, loss in kept if iteration < began]
        kept += [(iteration, float(number)) for iteration in each.points]
    return kept


def live_through(connection: Connection, job_id: str, learner_id: str, tries: list[Try]) -> None:
    """Push what the attempts push, through the store, sending every push twice."""
    for number, each in enumerate(tries):
        attempt_id = str(uuid.uuid4())
        began = {"job_id": job_id, "epoch": number + 1, "started_ms": 0}
        connection.execute(
            insert(attempts).values(
                id=attempt_id,
                state="ACTIVE",
                started=each.says_so,
                resume_iteration=each.resume if each.says_so else 0,
                **began,
            )
        )
        connection.execute(
            insert(attempt_members).values(
                attempt_id=attempt_id,
                rank=0,
                learner_id=learner_id,
                claim_key=attempt_id,
                active=True,
                lease_until_ms=now_ms() + 60_000,
                next_seq=0,
            )
        )
        held = {"state": "RUNNING", "attempt_id": attempt_id, "epoch": number + 1}
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(**held))
        left = list(each.points)
        for seq, length in enumerate(each.pushes):
            points, left = left[:length], left[length:]
            said = ProgressPush(
                seq=seq,
                first=points[0],
                step=each.step,
                series={"minibatchLoss": [float(number)] * length},
            )
            assert progress.push(connection, attempt_id, said)[1].applied
            assert not progress.push(connection, attempt_id, said)[1].applied
        ended = attempt_members.c.attempt_id == attempt_id
        connection.execute(attempt_members.update().where(ended).values(active=False))
        over = attempts.update().where(attempts.c.id == attempt_id)
        connection.execute(over.values(state="LOST"))


@settings(max_examples=25)
@given(tries=TRIES, window=st.tuples(st.integers(0, 20), st.none() | st.integers(0, 20)))
def test_whatever_was_resumed_each_iteration_counts_once(
    running_coordinator: Coordinator, tries: list[Try], window: tuple[int, int | None]
) -> None:
    running_coordinator.forget_everything()
    job_id = running_coordinator.submit().id
    learner_id = running_coordinator.learner().id
    database = running_coordinator.database
    first, last = window
    with database.write() as connection:
        live_through(connection, job_id, learner_id, tries)
        known = history.find(connection, job_id)
        points = columns.join(history.read(connection, known))
        part = columns.join(history.read(connection, known, first=first, last=last))
    wanted = that_count(tries)
    assert told(points) == wanted
    assert told(columns.join(list(history.stream(database, known)))) == wanted
    within = [
        (iteration, loss)
        for iteration, loss in wanted
        if iteration >= first and (last is None or iteration <= last)
    ]
    assert told(part) == within


def told(points: columns.Columns) -> list[tuple[int, float]]:
    losses = points.series.get("minibatchLoss", np.empty(0, np.float32))
    return list(zip(points.iterations.tolist(), losses.tolist(), strict=True))
