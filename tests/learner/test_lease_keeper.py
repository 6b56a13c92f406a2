"""The lease keeper, against a real coordinator: early commands, doubt in time, loss at once."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.errors import GanforgeError, LeaseLost
from ganforge.wire.jobs import JobAction, JobState
from ganforge.wire.learning import Assignment, Command
from ganforge_chassis.serving import Server, listen, url_of
from ganforge_coordinator.app import create_app
from ganforge_coordinator.settings import CoordinatorSettings
from ganforge_learner.lease_keeper import FENCE_SHARE, LeaseKeeper
from tests.coordinator.running import TOKENS, Coordinator

PATIENCE_SECONDS = 60.0
Start = Callable[..., Coordinator]


@contextmanager
def coordinator_at(port: int, folder: Path, **changes: Any) -> Iterator[Coordinator]:
    """Serve a coordinator at a port, so that it can come back there."""
    tokens = ",".join(f"{role}:{token}" for role, token in TOKENS.items())
    settings = CoordinatorSettings(data=folder, tokens=tokens, **changes)
    app = create_app(settings)
    listening = listen("127.0.0.1", port)
    listening.listen(128)
    server = Server(app, on_stop=app.state.stop)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        with ExitStack() as stack:
            yield Coordinator(app, url_of(listening), stack)
    finally:
        app.state.stop()
        server.should_exit = True
        thread.join()
        listening.close()


class Kept:
    """An assignment whose lease is kept; what the keeper tells waits in queues."""

    def __init__(self, url: str, assignment: Assignment, heartbeat_seconds: float) -> None:
        self.commands: queue.Queue[Command] = queue.Queue()
        self.doubts: queue.Queue[tuple[bool, float]] = queue.Queue()
        self.losses: queue.Queue[GanforgeError] = queue.Queue()
        self.over = threading.Event()
        self._transport = Transport(url, TOKENS["admin"], retries=0)
        self.assignment = assignment
        self.keeper = LeaseKeeper(
            CoordinatorClient(self._transport),
            assignment,
            heartbeat_seconds=heartbeat_seconds,
            over=self.over,
            on_command=self.commands.put,
            on_doubt=lambda in_doubt: self.doubts.put((in_doubt, time.monotonic())),
            on_lost=self.losses.put,
        )

    def end(self) -> None:
        self.over.set()
        self._transport.close()


@pytest.fixture
def kept() -> Iterator[Callable[[Coordinator, float], Kept]]:
    """Submits a job, claims it, and begins to keep its lease."""
    all_kept: list[Kept] = []

    def begin(coordinator: Coordinator, heartbeat_seconds: float) -> Kept:
        coordinator.submit()
        assignment = coordinator.learner().claim(wait_seconds=PATIENCE_SECONDS)
        assert assignment is not None
        all_kept.append(Kept(coordinator.url, assignment, heartbeat_seconds))
        all_kept[-1].keeper.start()
        return all_kept[-1]

    yield begin
    for each in all_kept:
        each.end()


Keep = Callable[[Coordinator, float], Kept]


def test_a_command_comes_long_before_the_next_heartbeat(tmp_path: Path, kept: Keep) -> None:
    with coordinator_at(0, tmp_path, lease_seconds=300, heartbeat_seconds=90) as coordinator:
        one = kept(coordinator, 90.0)
        one.keeper.tell_started(0)
        job_id = one.assignment.job_id
        coordinator.until(job_id, JobState.RUNNING)
        coordinator.client.steer(job_id, JobAction.STOP)
        assert one.commands.get(timeout=PATIENCE_SECONDS) is Command.STOP
        one.end()


def test_the_start_is_told_at_once_with_the_iteration_it_goes_on_from(
    tmp_path: Path, kept: Keep
) -> None:
    with coordinator_at(0, tmp_path, lease_seconds=300, heartbeat_seconds=90) as coordinator:
        one = kept(coordinator, 90.0)
        assert coordinator.client.job(one.assignment.job_id).state is JobState.STARTING
        one.keeper.tell_started(0)
        assert coordinator.client.job(one.assignment.job_id).state is JobState.RUNNING
        one.end()


def test_a_kept_lease_outlives_its_first_term(tmp_path: Path, kept: Keep) -> None:
    with coordinator_at(0, tmp_path, lease_seconds=4, heartbeat_seconds=0.2) as coordinator:
        one = kept(coordinator, 0.2)
        one.keeper.tell_started(0)
        with pytest.raises(queue.Empty):
            one.losses.get(timeout=6.0)
        assert one.doubts.empty()
        assert coordinator.client.job(one.assignment.job_id).state is JobState.RUNNING
        one.end()


def test_doubt_comes_when_the_coordinator_is_away_for_longer_than_the_fence_and_then_goes(
    tmp_path: Path, kept: Keep
) -> None:
    with coordinator_at(
        0, tmp_path, lease_seconds=6, heartbeat_seconds=0.3, reap_seconds=60
    ) as coordinator:
        port = int(coordinator.url.rpartition(":")[2])
        one = kept(coordinator, 0.3)
        before = time.monotonic()
        one.keeper.tell_started(0)
    in_doubt, at = one.doubts.get(timeout=PATIENCE_SECONDS)
    assert in_doubt
    # No sooner than the fence of the last beat, which was sent later than this.
    assert before + 6 * (1 - FENCE_SHARE) < at
    assert one.losses.empty()
    # However long a slow machine takes to start the next one, the lease is to be alive then.
    coordinator.set_lease(one.assignment.attempt_id, 60_000)
    coordinator.database.close()
    with coordinator_at(port, tmp_path, lease_seconds=6, heartbeat_seconds=0.3, reap_seconds=60):
        in_doubt, _ = one.doubts.get(timeout=PATIENCE_SECONDS)
        assert not in_doubt
        one.end()


def test_a_lease_that_ran_out_is_lost_at_the_next_beat(tmp_path: Path, kept: Keep) -> None:
    with coordinator_at(0, tmp_path, lease_seconds=60, heartbeat_seconds=0.3) as coordinator:
        one = kept(coordinator, 0.3)
        coordinator.expire(one.assignment.attempt_id)
        assert isinstance(one.losses.get(timeout=PATIENCE_SECONDS), LeaseLost)


def test_a_cancelled_job_is_lost_long_before_the_next_heartbeat(tmp_path: Path, kept: Keep) -> None:
    with coordinator_at(0, tmp_path, lease_seconds=300, heartbeat_seconds=90) as coordinator:
        one = kept(coordinator, 90.0)
        one.keeper.tell_started(0)
        coordinator.client.steer(one.assignment.job_id, JobAction.CANCEL)
        assert isinstance(one.losses.get(timeout=PATIENCE_SECONDS), LeaseLost)


def test_a_lost_lease_is_told_by_the_start_as_well(tmp_path: Path, kept: Keep) -> None:
    with coordinator_at(0, tmp_path, lease_seconds=300, heartbeat_seconds=90) as coordinator:
        one = kept(coordinator, 90.0)
        coordinator.expire(one.assignment.attempt_id)
        one.keeper.tell_started(0)
        assert isinstance(one.losses.get(timeout=PATIENCE_SECONDS), LeaseLost)
        one.end()
