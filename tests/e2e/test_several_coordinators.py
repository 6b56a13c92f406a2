"""Three coordinators on one PostgreSQL behind a load balancer, killed one after the other."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.errors import LeaseLost
from ganforge.wire.jobs import JobEvent, JobState
from ganforge.wire.learning import Assignment, Claim, Completion, Heartbeat, Outcome, ProgressPush
from ganforge_learner.outbox import Over, persist
from tests.chaos import site
from tests.chaos.balancer import Balancer
from tests.chaos.site import Coordinators
from tests.coordinator.running import a_job, claim_key
from tests.e2e.test_main_job import digits
from tests.support.learners import MNIST, registration
from tests.support.postgres import PostgresServer
from tests.support.system import LEARNER_TOKEN, TOKEN, System, until

pytestmark = pytest.mark.e2e

WAVES = 2
JOBS_PER_WAVE = 6
PUSHES = 20
SETTINGS = {
    "GANFORGE_TOKENS": f"admin:{TOKEN},learner:{LEARNER_TOKEN}",
    "GANFORGE_COORDINATOR_REAP_SECONDS": "0.2",
}


class Player(threading.Thread):
    """A learner that plays its work, and calls again until it is answered, as a real one does.

    Args:
        url: the load balancer.
        name: its name.
    """

    def __init__(self, url: str, name: str) -> None:
        super().__init__(name=name)
        self._transport = Transport(url, LEARNER_TOKEN, retries=0)
        self._client = CoordinatorClient(self._transport)
        self._over = threading.Event()

    def run(self) -> None:
        try:
            # It knows no digits: those are for the real learner.
            itself = registration(self.name, datasets=[MNIST])
            learner_id = persist(lambda: self._client.register(itself), self._over).id
            while True:
                assignment = self._claim(learner_id)
                if assignment is not None:
                    self._work(assignment)
        except Over:
            pass
        finally:
            self._transport.close()

    def _claim(self, learner_id: str) -> Assignment | None:
        # The key stays until there is an answer: one that was lost on the way is given again.
        claim = Claim(claim_key=claim_key())
        return persist(lambda: self._client.claim(learner_id, claim, wait_seconds=5), self._over)

    def _work(self, assignment: Assignment) -> None:
        attempt = assignment.attempt_id
        try:
            self._say(
                lambda: self._client.heartbeat(attempt, Heartbeat(started=True), wait_seconds=0)
            )
            for seq in range(PUSHES):
                self._push(attempt, seq)
            end = Completion(outcome=Outcome.SUCCEEDED, iteration=PUSHES * 10)
            self._say(lambda: self._client.complete(attempt, end))
        except LeaseLost:
            pass  # somebody else has the job now

    def _push(self, attempt: str, seq: int) -> None:
        losses = {"minibatchLoss": [float(seq * 10 + n) for n in range(10)]}
        push = ProgressPush(seq=seq, first=seq * 10, series=losses)
        self._say(lambda: self._client.push_progress(attempt, push))

    def _say(self, call: Any) -> None:
        persist(call, self._over)

    def stop(self) -> None:
        self._over.set()


@contextmanager
def balanced(coordinators: Coordinators) -> Iterator[Balancer]:
    balancer = Balancer(coordinators.urls)
    balancer.start()
    try:
        yield balancer
    finally:
        balancer.stop()


@contextmanager
def playing(url: str) -> Iterator[None]:
    players = [Player(url, f"player-{number}") for number in range(4)]
    for player in players:
        player.start()
    try:
        yield
    finally:
        for player in players:
            player.stop()
        for player in players:
            player.join()


@contextmanager
def a_real_learner(folder: Path, coordinator_url: str) -> Iterator[System]:
    system = System(folder, environment={"GANFORGE_COORDINATOR_URL": coordinator_url})
    try:
        system.start("repository", "learner")
        yield system
    finally:
        system.stop()


@pytest.mark.timeout(600)
def test_every_job_ends_once_and_has_every_point_once_whichever_coordinator_dies(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    dice = random.Random(5)
    with (
        site.running(
            tmp_path, postgres_server.new_database(), count=3, settings=SETTINGS
        ) as coordinators,
        balanced(coordinators) as balancer,
        a_real_learner(tmp_path, balancer.url),
        playing(balancer.url),
        ThreadPoolExecutor() as threads,
    ):
        transport = Transport(balancer.url, TOKEN)
        client = CoordinatorClient(transport)
        until(lambda: knows_digits(client), "the real learner is registered")
        trained = client.submit(digits(maxIterations=300)).id
        played: list[str] = []
        followed: dict[str, Future[list[JobEvent]]] = {}
        for _ in range(WAVES):
            jobs = [client.submit(a_job()).id for _ in range(JOBS_PER_WAVE)]
            played += jobs
            followed[jobs[0]] = threads.submit(follow, client, jobs[0])
            which = dice.randrange(3)
            coordinators.kill(which)
            coordinators.start(which)
            coordinators.until_ready(which)
        for job_id in (trained, *played):
            check_it_ended_once(client, job_id)
        for job_id, events in followed.items():
            assert [event.id for event in events.result(60)] == list_of_numbers(client, job_id)
        assert sorted(listed(balancer.url)) == sorted([trained, *played])
        transport.close()


def knows_digits(client: CoordinatorClient) -> bool:
    """Say whether the real learner has told its datasets; the players know MNIST alone."""
    return any("digits" in told.datasets for told in client.learners())


def follow(client: CoordinatorClient, job_id: str) -> list[JobEvent]:
    return list(client.follow(job_id))


def check_it_ended_once(client: CoordinatorClient, job_id: str) -> None:
    until(lambda: client.job(job_id).state.is_final, f"{job_id} is over")
    job = client.job(job_id)
    assert job.state is JobState.SUCCEEDED
    assert [each.state for each in job.attempts].count("SUCCEEDED") == 1
    epochs = [each.epoch for each in job.attempts]
    assert epochs == sorted(set(epochs))
    told = [event.data["state"] for event in client.follow(job_id) if event.type == "state"]
    assert told.count("SUCCEEDED") == 1
    points = client.progress(job_id, max_points=10_000)
    assert points.iterations == list(range(job.iteration))
    if job.dataset == "MNIST":
        assert points.series["minibatchLoss"] == [float(n) for n in range(PUSHES * 10)]


def list_of_numbers(client: CoordinatorClient, job_id: str) -> list[int]:
    """Give all numbers of a job's events; each is there once."""
    last = list(client.follow(job_id))[-1].id
    return list(range(1, last + 1))


def listed(url: str) -> list[str]:
    """List all jobs page by page, each page from whichever coordinator."""
    found: list[str] = []
    token: str | None = ""
    while token is not None:
        params = {"pageSize": "7", **({"pageToken": token} if token else {})}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        page = httpx.get(f"{url}/v1/jobs", params=params, headers=headers, timeout=60).json()
        found += [job["id"] for job in page["items"]]
        token = page.get("nextPageToken")
    return found
