"""Both services on one origin in the test's process, and a learner's work played to them."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganforge import digest
from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.repository import RepositoryClient
from ganforge.wire.jobs import JobError
from ganforge.wire.learning import (
    Assignment,
    Claim,
    Completion,
    Heartbeat,
    Outcome,
    ProgressPush,
    SnapshotNote,
)
from ganforge.wire.weights import PNG, SAFETENSORS, NetworkBlobs, SnapshotCommit
from ganforge_chassis.serving import listen
from ganforge_local.server import LocalServer
from tests.repository.files import picture, weights_of
from tests.support.learners import registration

WAIT_SECONDS = 20.0


@contextmanager
def local_server(data: Path) -> Iterator[LocalServer]:
    """Serve both services on a free port until the block ends."""
    server = LocalServer(listen("127.0.0.1", 0), data)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class PlayedLearner:
    """A learner that learns nothing, but says it does.

    Args:
        server: where it works.
    """

    def __init__(self, server: LocalServer) -> None:
        self._transport = Transport(server.url, server.token)
        self.coordinator = CoordinatorClient(self._transport)
        self.repository = RepositoryClient(self._transport)
        self.id = self.coordinator.register(registration("played")).id
        self._seq = 0

    def take(self) -> Assignment:
        """Wait for a job and begin it."""
        claim = Claim(claim_key=uuid.uuid4().hex)
        job = self.coordinator.claim(self.id, claim, wait_seconds=WAIT_SECONDS)
        assert job is not None
        self._seq = 0
        self.repository.open_epoch(job.job_id, job.epoch, tag=job.tag)
        self.coordinator.heartbeat(job.attempt_id, Heartbeat(started=True), wait_seconds=0)
        return job

    def learn(self, job: Assignment, first: int, count: int) -> None:
        """Push the losses of some iterations."""
        series: dict[str, list[float | None]] = {
            "minibatchLoss": [0.5] * count,
            "dLossReal": [0.25] * count,
            "dLossFake": [0.125] * count,
        }
        push = ProgressPush(seq=self._seq, first=first, series=series, iterations_per_second=100.0)
        self._seq += 1
        self.coordinator.push_progress(job.attempt_id, push)

    def save(self, job: Assignment, iteration: int) -> None:
        """Commit a snapshot, with a picture of the first network."""
        grid = self._put(picture(), PNG)
        blobs = {
            name: NetworkBlobs(
                weights=self._put(weights_of(name, iteration), SAFETENSORS),
                samples=grid if place == 0 else None,
            )
            for place, name in enumerate(job.networks)
        }
        commit = SnapshotCommit(epoch=job.epoch, iteration=iteration, tag=job.tag, networks=blobs)
        made = self.repository.commit_snapshot(job.job_id, commit)
        versions = {name: told.version for name, told in made.networks.items()}
        note = SnapshotNote(iteration=iteration, versions=versions)
        self.coordinator.note_snapshot(job.attempt_id, note)

    def succeed(self, job: Assignment, iteration: int) -> None:
        """End the attempt well."""
        done = Completion(outcome=Outcome.SUCCEEDED, iteration=iteration)
        self.coordinator.complete(job.attempt_id, done)

    def fail(self, job: Assignment, detail: str) -> None:
        """End the attempt, and the job with it."""
        error = JobError(slug="diverged", detail=detail, iteration=3)
        failed = Completion(outcome=Outcome.FAILED, iteration=3, error=error, permanent=True)
        self.coordinator.complete(job.attempt_id, failed)

    def do_one_job(self) -> None:
        """Take the next job through all of its life."""
        job = self.take()
        self.learn(job, 0, 10)
        self.save(job, 10)
        self.succeed(job, 10)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Do one job beside the block."""
        thread = threading.Thread(target=self.do_one_job)
        thread.start()
        try:
            yield
        finally:
            thread.join()

    def _put(self, content: bytes, media_type: str) -> str:
        name = digest.of_bytes(content)
        self.repository.put_blob(name, content, media_type)
        return name

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()
