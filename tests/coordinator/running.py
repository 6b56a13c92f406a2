"""A running coordinator and ways to talk to it."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import delete, select, update

from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.wire.jobs import Job, JobEvent, JobState, LearnJob
from ganforge.wire.learning import (
    Assignment,
    Claim,
    Completion,
    Heartbeat,
    HeartbeatReply,
    Outcome,
    ProgressPush,
    ProgressReply,
    SnapshotNote,
)
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database
from ganforge_coordinator.amnesty import EXPIRED_MS
from ganforge_coordinator.db.models import attempt_members, jobs, learners, metadata
from tests.support.learners import registration
from tests.support.served_app import served

TOKENS = {role: f"gf_test_{role}_0123456789" for role in ("read", "submit", "learner", "admin")}


def a_job(**changes: Any) -> LearnJob:
    """Make a job that any learner of the tests can do."""
    values: dict[str, Any] = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST"}
    return LearnJob(**{**values, **changes})


def claim_key() -> str:
    return uuid.uuid4().hex


class Learner:
    """A learner as the coordinator meets it: registered, with at most one assignment in hand."""

    def __init__(self, client: CoordinatorClient, name: str = "learner", **changes: Any) -> None:
        self.client = client
        self.id = client.register(registration(name, **changes)).id

    def claim(self, key: str | None = None, *, wait_seconds: float = 0.0) -> Assignment | None:
        claim = Claim(claim_key=key or claim_key())
        return self.client.claim(self.id, claim, wait_seconds=wait_seconds)

    def take(self) -> "Work":
        """Claim the job that is there."""
        assignment = self.claim(wait_seconds=25)
        assert assignment is not None
        return Work(self.client, assignment)

    def work(self, resume_iteration: int = 0) -> "Work":
        """Claim the job that is there and say that the trainer runs."""
        work = self.take()
        work.beat(resume_iteration=resume_iteration)
        return work


class Work:
    """One attempt, from its learner's side."""

    def __init__(self, client: CoordinatorClient, assignment: Assignment) -> None:
        self.client = client
        self.id = assignment.attempt_id
        self.job_id = assignment.job_id
        self.epoch = assignment.epoch
        self.assignment = assignment

    def beat(
        self, *, started: bool = True, wait_seconds: float = 0.0, **changes: Any
    ) -> HeartbeatReply:
        beat = Heartbeat(started=started, **changes)
        return self.client.heartbeat(self.id, beat, wait_seconds=wait_seconds)

    def push(self, seq: int, first: int, losses: list[float | None], **changes: Any) -> Any:
        push = ProgressPush(seq=seq, first=first, series={"minibatchLoss": losses}, **changes)
        reply: ProgressReply = self.client.push_progress(self.id, push)
        return reply

    def note(self, iteration: int, version: int = 1) -> None:
        versions = {"Generator": version, "Discriminator": version}
        self.client.note_snapshot(self.id, SnapshotNote(iteration=iteration, versions=versions))

    def complete(self, outcome: Outcome = Outcome.SUCCEEDED, **changes: Any) -> None:
        values: dict[str, Any] = {"outcome": outcome, "iteration": 1, **changes}
        self.client.complete(self.id, Completion(**values))


class Coordinator:
    """A running coordinator and ways to talk to it."""

    def __init__(self, app: FastAPI, url: str, stack: ExitStack) -> None:
        self.app = app
        self.url = url
        self.database: Database = app.state.database
        self._stack = stack
        self.http = stack.enter_context(httpx.Client(base_url=url, timeout=60))
        self.client = self.client_of("admin")
        self.patient = self.client_of("admin", retries=3)

    def client_of(self, role: str, *, retries: int = 0) -> CoordinatorClient:
        return self.client_with(TOKENS[role], retries=retries)

    def client_with(self, token: str, *, retries: int = 0) -> CoordinatorClient:
        transport = Transport(self.url, token, retries=retries)
        self._stack.callback(transport.close)
        return CoordinatorClient(transport)

    def learner(self, name: str = "learner", **changes: Any) -> Learner:
        return Learner(self.client, name, **changes)

    def submit(self, **changes: Any) -> Job:
        return self.client.submit(a_job(**changes))

    def submit_together(self, count: int, **changes: Any) -> Job:
        """Submit a job for several learners, when none is there yet that could be asked."""
        job = self.submit(**changes)
        with self.database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(target_count=count))
        return job

    def send(self, method: str, path: str, role: str = "admin", **options: Any) -> httpx.Response:
        """Send a request and give the answer, whatever it is."""
        headers = {"Authorization": f"Bearer {TOKENS[role]}", **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **options)

    def events(self, job_id: str) -> list[JobEvent]:
        """Give all events of a job that is over."""
        return list(self.client.follow(job_id))

    def until(self, job_id: str, *states: JobState) -> Job:
        """Wait, by the job's events, until it is in one of ``states``."""
        seen = 0
        while (job := self.client.job(job_id)).state not in states:
            assert not job.state.is_final, job.state
            event = next(self.client.follow(job_id, after=seen))
            seen = event.id
        return job

    def expire(self, attempt_id: str) -> None:
        """Let a lease have run out long ago, so that no amnesty renews it."""
        with self.database.write() as connection:
            connection.execute(
                update(attempt_members)
                .where(attempt_members.c.attempt_id == attempt_id)
                .values(lease_until_ms=EXPIRED_MS)
            )

    def set_lease(self, attempt_id: str, milliseconds: int) -> None:
        """Let a lease run out so long from now."""
        with self.database.write() as connection:
            connection.execute(
                update(attempt_members)
                .where(attempt_members.c.attempt_id == attempt_id)
                .values(lease_until_ms=now_ms() + milliseconds)
            )

    def forget_everything(self) -> None:
        """Empty all tables, but for the floor of the epochs."""
        with self.database.write() as connection:
            for locked in (learners, jobs):  # first, as the server does, which is at work
                connection.execute(select(locked.c.id).order_by(locked.c.id).with_for_update())
            for table in reversed(metadata.sorted_tables):
                if table.name != "coordinator":
                    connection.execute(delete(table))

    def row(self, job_id: str) -> dict[str, Any]:
        """Give a job's row."""
        with self.database.read() as connection:
            query = select(jobs).where(jobs.c.id == job_id)
            return dict(connection.execute(query).mappings().one())


@contextmanager
def running(app: FastAPI) -> Iterator[Coordinator]:
    """Serve a coordinator until the block ends."""
    with served(app) as url, ExitStack() as stack:
        yield Coordinator(app, url, stack)
