"""Progress: in order, exactly once, and read back as it was said."""

import json
from typing import Any

import pytest

from ganforge.errors import BadInput, SequenceGap
from ganforge.wire.learning import Outcome, ProgressPush
from tests.coordinator.running import Coordinator, Work


@pytest.fixture
def work(coordinator: Coordinator) -> Work:
    coordinator.submit()
    return coordinator.learner().work()


def losses(coordinator: Coordinator, job_id: str) -> dict[int, float | None]:
    told = coordinator.client.progress(job_id)
    return dict(zip(told.iterations, told.series.get("minibatchLoss", []), strict=True))


def test_points_are_kept_in_order_and_the_job_tells_of_the_latest(
    coordinator: Coordinator, work: Work
) -> None:
    assert work.push(0, 0, [1.0, 0.5], iterations_per_second=20.0).next_seq == 1
    assert work.push(1, 2, [0.25]).next_seq == 2
    assert losses(coordinator, work.job_id) == {0: 1.0, 1: 0.5, 2: 0.25}
    job = coordinator.client.job(work.job_id)
    assert (job.iteration, job.iterations_per_second) == (3, 20.0)
    assert job.progress is not None
    assert (job.progress.iteration, job.progress.minibatch_loss) == (2, 0.25)


def test_a_push_sent_again_is_not_applied_again(coordinator: Coordinator, work: Work) -> None:
    assert work.push(0, 0, [1.0]).applied
    again = work.push(0, 0, [1.0])
    assert (again.applied, again.next_seq) == (False, 1)
    assert losses(coordinator, work.job_id) == {0: 1.0}


def test_a_push_that_comes_too_early_is_told_which_one_is_missing(
    coordinator: Coordinator, work: Work
) -> None:
    work.push(0, 0, [1.0])
    with pytest.raises(SequenceGap) as gap:
        work.push(2, 5, [1.0])
    assert gap.value.members == {"expectedSeq": 1}
    assert losses(coordinator, work.job_id) == {0: 1.0}


def test_every_attempt_counts_its_pushes_from_nought(coordinator: Coordinator, work: Work) -> None:
    work.push(0, 0, [1.0])
    work.complete(Outcome.RELEASED)
    second = coordinator.learner("second").work(resume_iteration=1)
    assert second.push(0, 1, [2.0]).applied
    assert losses(coordinator, work.job_id) == {0: 1.0, 1: 2.0}


def test_points_behind_which_a_later_attempt_went_back_are_not_shown(
    coordinator: Coordinator, work: Work
) -> None:
    work.push(0, 0, [float(n) for n in range(10)])
    coordinator.expire(work.id)
    second = coordinator.learner("second").work(resume_iteration=6)
    assert list(losses(coordinator, work.job_id)) == [0, 1, 2, 3, 4, 5]
    second.push(0, 6, [60.0, 70.0])
    coordinator.expire(second.id)
    third = coordinator.learner("third").work(resume_iteration=4)
    third.push(0, 4, [400.0])
    assert losses(coordinator, work.job_id) == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0, 4: 400.0}


def test_an_attempt_that_never_said_it_began_still_shows_each_iteration_once(
    coordinator: Coordinator, work: Work
) -> None:
    work.push(0, 0, [float(n) for n in range(10)])
    coordinator.expire(work.id)
    silent = coordinator.learner("second").take()
    silent.push(0, 5, [50.0, 60.0])
    assert losses(coordinator, work.job_id) == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 50.0, 6: 60.0}


def test_from_and_to_cut_out_a_range_and_both_ends_belong_to_it(
    coordinator: Coordinator, work: Work
) -> None:
    for seq in range(4):
        work.push(seq, 25 * seq, [float(n) for n in range(25 * seq, 25 * seq + 25)])
    told = coordinator.client.progress(work.job_id, first=20, last=30)
    assert told.iterations == list(range(20, 31))
    assert told.total == 11
    few = coordinator.client.progress(work.job_id, first=10, last=89, max_points=10)
    assert (few.iterations[0], few.iterations[-1], few.total) == (10, 89, 80)
    assert len(few.iterations) <= 10


def test_thinning_out_keeps_a_spike(coordinator: Coordinator, work: Work) -> None:
    column = [0.5] * 4000
    column[1234] = 99.0
    work.push(0, 0, list(column))
    told = coordinator.client.progress(work.job_id, max_points=20)
    assert len(told.iterations) <= 20
    assert 99.0 in told.series["minibatchLoss"]


def test_points_may_be_further_apart_than_one_iteration(
    coordinator: Coordinator, work: Work
) -> None:
    work.push(0, 100, [1.0, 2.0, 3.0], step=10)
    assert losses(coordinator, work.job_id) == {100: 1.0, 110: 2.0, 120: 3.0}
    assert coordinator.client.job(work.job_id).iteration == 121


def test_what_is_no_number_is_null(coordinator: Coordinator, work: Work) -> None:
    work.push(0, 0, [None, 1.0])
    work.push(1, 2, [1e300])
    assert losses(coordinator, work.job_id) == {0: None, 1: 1.0, 2: None}


def test_a_series_that_comes_later_is_null_before(coordinator: Coordinator, work: Work) -> None:
    work.push(0, 0, [1.0])
    both: dict[str, list[float | None]] = {"minibatchLoss": [2.0], "dLossReal": [0.5]}
    work.client.push_progress(work.id, ProgressPush(seq=1, first=1, series=both))
    told = coordinator.client.progress(work.job_id)
    assert told.series == {"minibatchLoss": [1.0, 2.0], "dLossReal": [None, 0.5]}
    job = coordinator.client.job(work.job_id)
    assert job.progress is not None
    assert job.progress.extra == {"dLossReal": 0.5}


def test_all_of_it_is_to_be_had_a_line_a_point(coordinator: Coordinator, work: Work) -> None:
    both: dict[str, list[float | None]] = {"minibatchLoss": [1.0, None], "gLoss": [0.85, 2.5]}
    work.client.push_progress(work.id, ProgressPush(seq=0, first=0, series=both))
    answer = coordinator.send("GET", f"/v1/jobs/{work.job_id}/progress.ndjson", role="read")
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        {"iteration": 0, "minibatchLoss": 1.0, "extra": {"gLoss": 0.85}},
        {"iteration": 1, "minibatchLoss": None, "extra": {"gLoss": 2.5}},
    ]


def test_a_job_without_progress_has_empty_columns(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    told = coordinator.client.progress(job.id)
    assert (told.iterations, told.series, told.total) == ([], {}, 0)
    assert coordinator.send("GET", f"/v1/jobs/{job.id}/progress.ndjson").text == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"series": {}},
        {"series": {"a": []}},
        {"series": {"a": [1.0], "b": [1.0, 2.0]}},
        {"series": {"a": [0.0] * 4097}},
        {"series": {str(n): [1.0] for n in range(33)}},
        {"series": {"a": ["much"]}},
        {"first": -1},
        {"step": 0},
        {"seq": -1},
        {"seq": 10**30},
        {"first": 2**53},
        {"first": 10**30},
        {"step": 2**52, "series": {"a": [1.0, 2.0, 3.0]}},
        {"series": {"a": [10**400]}},
        {"rank": 10**30},
        {"unknown": 1},
    ],
)
def test_a_push_that_makes_no_sense_is_refused_and_keeps_nothing(
    coordinator: Coordinator, work: Work, changes: dict[str, Any]
) -> None:
    body = {"seq": 0, "first": 0, "series": {"a": [1.0]}, **changes}
    answer = coordinator.send("POST", f"/v1/attempts/{work.id}/progress", json=body)
    assert answer.status_code in (409, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert coordinator.client.progress(work.job_id).total == 0


def test_nan_is_no_json_and_refused(coordinator: Coordinator, work: Work) -> None:
    body = b'{"seq": 0, "first": 0, "series": {"a": [NaN]}}'
    headers = {"Content-Type": "application/json"}
    answer = coordinator.send(
        "POST", f"/v1/attempts/{work.id}/progress", content=body, headers=headers
    )
    assert answer.status_code == 422


def test_an_iteration_beyond_what_json_can_say_is_refused_in_words(
    coordinator: Coordinator, work: Work
) -> None:
    with pytest.raises(BadInput, match="2\\^53"):
        work.push(0, 2**53 - 1, [1.0, 2.0])
