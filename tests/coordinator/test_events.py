"""Following a job over a real socket: nothing missed, nothing twice, however often it breaks."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from ganforge.wire.jobs import JobAction, JobEvent
from ganforge.wire.learning import Outcome
from ganforge_coordinator import events
from tests.coordinator.conftest import Start
from tests.coordinator.running import TOKENS, Coordinator

InThread = Callable[..., Future[Any]]


@contextmanager
def stream(
    coordinator: Coordinator, job_id: str, last_event_id: str | None = None
) -> Iterator[httpx.Response]:
    """Follow a job on a connection of its own."""
    headers = {b"Authorization": f"Bearer {TOKENS['read']}".encode()}
    if last_event_id is not None:
        headers[b"Last-Event-ID"] = last_event_id.encode("latin-1")
    url = f"{coordinator.url}/v1/jobs/{job_id}/events"
    with httpx.stream("GET", url, headers=headers, timeout=60) as response:
        yield response


def events_of(response: httpx.Response) -> Iterator[JobEvent]:
    """Read server-sent events as the standard says, and check that the frames agree."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            continue
        if "data" in fields:
            event = JobEvent.model_validate_json(fields["data"])
            assert (str(event.id), event.type) == (fields["id"], fields["event"])
            yield event
        fields = {}


def test_a_job_is_told_from_beginning_to_end_numbered_without_gaps(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    work.push(0, 0, [1.0, 0.5])
    work.note(2)
    work.complete(iteration=2)
    with stream(coordinator, job.id) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        told = list(events_of(response))
    assert [event.id for event in told] == [1, 2, 3, 4, 5, 6]
    assert [event.data.get("state", event.type) for event in told] == [
        "QUEUED",
        "STARTING",
        "RUNNING",
        "progress",
        "snapshot",
        "SUCCEEDED",
    ]
    assert told[3].data["series"] == {"minibatchLoss": [1.0, 0.5]}
    assert told[4].data == {"iteration": 2, "versions": {"Generator": 1, "Discriminator": 1}}


def test_a_look_ends_at_the_number_that_was_read_first(coordinator: Coordinator) -> None:
    # What is committed between its two queries may be seen by one of them alone.
    job = coordinator.submit()
    work = coordinator.learner().work()
    for seq in range(3):
        work.push(seq, seq, [1.0])
        work.note(seq + 1)
    with coordinator.database.read() as connection:
        for until in range(3, 10):
            told = events.after(connection, job.id, 2, until=until)
            assert [event.id for event in told] == list(range(3, until + 1))


def test_once_all_has_been_told_there_is_nothing_to_come_back_for(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    coordinator.client.steer(job.id, JobAction.CANCEL)
    with stream(coordinator, job.id, "1") as response:
        assert [event.id for event in events_of(response)] == [2]
    with stream(coordinator, job.id, "2") as response:
        assert response.status_code == 204
    with stream(coordinator, job.id, "1") as response:  # but whoever missed the end is told
        assert [event.data["state"] for event in events_of(response)] == ["CANCELLED"]


@pytest.mark.parametrize("nonsense", ["", "abc", "-1", "²", "1e3", "9" * 40])
def test_a_last_event_id_that_is_none_of_ours_starts_from_the_beginning(
    coordinator: Coordinator, nonsense: str
) -> None:
    job = coordinator.submit()
    coordinator.client.steer(job.id, JobAction.CANCEL)
    with stream(coordinator, job.id, nonsense) as response:
        assert [event.id for event in events_of(response)] == [1, 2]


def test_a_follower_that_breaks_off_at_random_misses_nothing_and_sees_nothing_twice(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    job = coordinator.submit()
    learner = coordinator.learner()

    def live() -> None:
        work = learner.work()
        for seq in range(25):
            work.push(seq, seq, [float(seq)])
            work.note(seq + 1, version=seq + 1)
        work.complete(iteration=25)

    def follow(seed: int) -> list[JobEvent]:
        dice = random.Random(seed)
        seen: list[JobEvent] = []
        while True:
            last = str(seen[-1].id) if seen else None
            with stream(coordinator, job.id, last) as response:
                if response.status_code == 204:
                    return seen
                patience = dice.randrange(1, 30)
                for event in events_of(response):
                    seen.append(event)
                    if (patience := patience - 1) == 0:
                        break

    followers = [in_thread(follow, seed) for seed in range(3)]
    in_thread(live)
    for follower in followers:
        told = follower.result(60)
        assert [event.id for event in told] == list(range(1, len(told) + 1))
        points = [event.data["iterations"] for event in told if event.type == "progress"]
        assert points == [[n] for n in range(25)]
        assert sum(event.type == "snapshot" for event in told) == 25


def test_what_happens_to_one_job_takes_no_number_from_another(coordinator: Coordinator) -> None:
    ours, other = coordinator.submit(), coordinator.submit()
    for action in (JobAction.PAUSE, JobAction.RESUME, JobAction.CANCEL):
        for job in (other, ours):
            coordinator.client.steer(job.id, action)
    for job in (ours, other):
        assert [event.id for event in coordinator.events(job.id)] == [1, 2, 3, 4]
        with stream(coordinator, job.id, "2") as response:
            assert [event.data["state"] for event in events_of(response)] == ["QUEUED", "CANCELLED"]


def test_the_client_follows_over_a_restart_of_the_coordinator(
    start: Start, in_thread: InThread
) -> None:
    with start() as coordinator:
        job = coordinator.submit()
        coordinator.client.steer(job.id, JobAction.PAUSE)
        first = list(zip(range(2), coordinator.client.follow(job.id), strict=False))
    with start() as coordinator:
        coordinator.client.steer(job.id, JobAction.CANCEL)
        rest = list(coordinator.client.follow(job.id, after=first[-1][1].id))
    assert [event.id for _, event in first] + [event.id for event in rest] == [1, 2, 3]


def test_a_stop_of_the_server_ends_open_streams_and_polls_at_once(
    start: Start, in_thread: InThread
) -> None:
    told = threading.Event()

    def follow(coordinator: Coordinator, job_id: str) -> list[int]:
        seen = []
        with stream(coordinator, job_id) as response:
            for event in events_of(response):
                seen.append(event.id)
                told.set()
        return seen

    with start() as coordinator:
        job = coordinator.submit(dataset="MNIST")
        learner = coordinator.learner(datasets=[])
        follower = in_thread(follow, coordinator, job.id)
        poller = in_thread(lambda: learner.claim(wait_seconds=25))
        assert told.wait(60)
        coordinator.app.state.stop()
        assert follower.result(20) == [1]
        assert poller.result(20) is None


def test_a_stream_of_events_does_not_outlive_its_job_when_it_fails(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    job = coordinator.submit()
    follower = in_thread(lambda: coordinator.events(job.id))
    coordinator.learner().work().complete(Outcome.FAILED, permanent=True)
    assert follower.result(60)[-1].data["state"] == "FAILED"


def test_the_events_of_an_unknown_job_are_not_found(coordinator: Coordinator) -> None:
    with stream(coordinator, "job-00000000") as response:
        response.read()
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
