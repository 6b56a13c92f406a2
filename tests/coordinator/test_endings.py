"""Jobs that go back, end by themselves, or collapse."""

from typing import Any

import pytest

from ganforge.errors import LeaseLost
from ganforge.wire.jobs import JobError, JobState
from ganforge.wire.learning import CollapseNote, EarlyEnd, Outcome
from tests.coordinator.running import Coordinator, Work

DIVERGED: dict[str, Any] = {
    "outcome": Outcome.FAILED,
    "permanent": True,
    "error": JobError(slug="diverged", detail="a loss is not finite", iteration=7),
}


def test_a_job_goes_back_as_often_as_it_may_and_then_fails(coordinator: Coordinator) -> None:
    job = coordinator.submit(config={"NaNretry": 2})
    learner = coordinator.learner()
    for retries in (0, 1):
        work = learner.work()
        assert work.assignment.retries == retries
        work.complete(**DIVERGED)
        told = coordinator.client.job(job.id)
        assert told.state is JobState.QUEUED
        assert told.error is not None
        assert told.error.detail == "a loss is not finite"
    last = learner.work()
    assert last.assignment.retries == 2
    last.complete(**DIVERGED)
    failed = coordinator.client.job(job.id)
    assert failed.state is JobState.FAILED
    assert [attempt.end_reason for attempt in failed.attempts] == [
        "diverged",
        "diverged",
        "failed-for-good",
    ]


def test_a_lost_lease_is_no_return(coordinator: Coordinator) -> None:
    job = coordinator.submit(config={"NaNretry": 1})
    learner = coordinator.learner()
    learner.work()
    again = learner.work()  # claiming anew gives the first back
    assert again.assignment.retries == 0
    again.complete(**DIVERGED)
    assert coordinator.client.job(job.id).state is JobState.QUEUED


def test_points_after_the_snapshot_a_job_went_back_to_are_replaced(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit(config={"NaNretry": 1})
    learner = coordinator.learner()
    first = learner.work()
    first.push(0, 0, [1.0, 2.0, 3.0, 4.0])
    first.note(2)
    first.complete(**DIVERGED)
    second = learner.work(resume_iteration=2)
    second.push(0, 2, [30.0, 40.0, 50.0])
    told = coordinator.client.progress(job.id)
    assert told.iterations == [0, 1, 2, 3, 4]
    assert told.series["minibatchLoss"] == [1.0, 2.0, 30.0, 40.0, 50.0]


@pytest.mark.parametrize("ending", list(EarlyEnd))
def test_a_job_that_ended_by_itself_has_succeeded_and_says_why(
    coordinator: Coordinator, ending: EarlyEnd
) -> None:
    job = coordinator.submit()
    coordinator.learner().work().complete(ending=ending, iteration=400)
    told = coordinator.client.job(job.id)
    assert (told.state, told.reason, told.iteration) == (JobState.SUCCEEDED, ending, 400)
    page = coordinator.send("GET", f"/jobs/{job.id}").text
    assert {"LEVELLED_OFF": "its loss fell no further", "COLLAPSED": "its generator collapsed"}[
        ending
    ] in page


def collapse(work: Work, iteration: int = 300, detail: str = "all samples are alike") -> None:
    work.client.note_collapse(work.id, CollapseNote(iteration=iteration, detail=detail))


def test_a_collapse_is_an_event_of_the_job_and_stands_on_its_page(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    assert coordinator.client.job(job.id).collapse is None
    for _ in range(2):
        collapse(work)
    collapse(work, 500, "again")
    work.complete()
    events = [event for event in coordinator.events(job.id) if event.type == "collapse"]
    assert [event.data["iteration"] for event in events] == [300, 500]
    (listed,) = coordinator.client.jobs()
    assert listed.collapse is not None
    assert (listed.collapse.iteration, listed.collapse.detail) == (500, "again")
    page = coordinator.send("GET", f"/jobs/{job.id}").text
    assert "The generator has collapsed" in page
    assert "at iteration 500: again" in page


def test_a_collapse_from_a_lost_attempt_is_refused(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    coordinator.expire(work.id)
    with pytest.raises(LeaseLost):
        collapse(work)
    assert coordinator.client.job(job.id).collapse is None
