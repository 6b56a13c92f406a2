"""The client of the coordinator: what people ask of it, and what learners do."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter

from ganforge._transport import Transport
from ganforge.errors import Unreachable
from ganforge.recipes import Recipe
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.jobs import (
    Attempt,
    AttemptPage,
    Job,
    JobAction,
    JobEvent,
    JobPage,
    JobPatch,
    JobState,
    LearnJob,
    ProgressSeries,
    SnapshotPage,
    SnapshotTold,
)
from ganforge.wire.learning import (
    Assignment,
    Claim,
    CollapseNote,
    Completion,
    Heartbeat,
    HeartbeatReply,
    Learner,
    LearnerAction,
    ProgressPush,
    ProgressReply,
    Registered,
    Registration,
    SnapshotNote,
    StrategyInfo,
)
from ganforge.wire.model import WireModel
from ganforge.wire.progress import LearnProgress
from ganforge.wire.quality import QualityNote

FOLLOW_SILENCE_SECONDS = 45.0
"""The server speaks every 15 s; when it is silent for longer, the connection is dead."""

_LEARNERS = TypeAdapter(list[Learner])
_DATASETS = TypeAdapter(list[DatasetInfo])
_QUALITY = TypeAdapter(list[QualityNote])
_RECIPES = TypeAdapter(list[Recipe])
_STRATEGIES = TypeAdapter(list[StrategyInfo])

Page = TypeVar("Page", JobPage, AttemptPage, SnapshotPage)


class CoordinatorClient:
    """Calls to one coordinator; every method raises the classes of ``ganforge.errors``.

    Args:
        transport: how the coordinator is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # What people ask.

    def submit(self, job: LearnJob) -> Job:
        """Submit a job; sent again under the same key when the answer is lost."""
        response = self._transport.request(
            "POST",
            "/v1/jobs",
            json=_body(job),
            headers={"Idempotency-Key": str(uuid.uuid4())},
            retry=True,
        )
        return Job.model_validate_json(response.content)

    def job(self, job_id: str) -> Job:
        """Show a job."""
        response = self._transport.request("GET", f"/v1/jobs/{job_id}")
        return Job.model_validate_json(response.content)

    def jobs(self, *, states: list[JobState] | None = None) -> Iterator[Job]:
        """List jobs, newest first; pages are fetched as they are needed."""
        wanted = {"state": [str(state) for state in states or []]}
        for page in self._pages("/v1/jobs", JobPage, wanted):
            yield from page.items

    def steer(self, job_id: str, action: JobAction) -> Job:
        """Stop, pause, resume, cancel or retry a job."""
        # A retried job may be over again before a lost answer is asked for again; by the key it
        # is not retried twice.
        response = self._transport.request(
            "POST",
            f"/v1/jobs/{job_id}/{action}",
            headers={"Idempotency-Key": str(uuid.uuid4())},
            retry=True,
        )
        return Job.model_validate_json(response.content)

    def edit(self, job_id: str, patch: JobPatch, *, etag: str | None = None) -> Job:
        """Change what ``patch`` names of a job.

        Args:
            job_id: the job.
            patch: what is set in it is changed, and nothing else.
            etag: the ETag that the job must have; whatever it has now when not given.

        Raises:
            PreconditionFailed: the job has another ETag.
            InvalidState: a learner works on the job, and would not hear of the change.
        """
        response = self._transport.request(
            "PATCH",
            f"/v1/jobs/{job_id}",
            json=patch.model_dump(mode="json", by_alias=True, exclude_unset=True),
            headers={"If-Match": etag or "*"},
        )
        return Job.model_validate_json(response.content)

    def delete(self, job_id: str) -> None:
        """Remove a job that is over, and its progress and events.

        Raises:
            InvalidState: the job is not over.
        """
        self._transport.request("DELETE", f"/v1/jobs/{job_id}", retry=False)

    def attempts(self, job_id: str) -> Iterator[Attempt]:
        """List the attempts at a job, the newest first."""
        for page in self._pages(f"/v1/jobs/{job_id}/attempts", AttemptPage):
            yield from page.items

    def snapshots(self, job_id: str) -> Iterator[SnapshotTold]:
        """List the snapshots of a job, the newest first."""
        for page in self._pages(f"/v1/jobs/{job_id}/snapshots", SnapshotPage):
            yield from page.items

    def _pages(
        self, path: str, kind: type[Page], params: dict[str, Any] | None = None
    ) -> Iterator[Page]:
        """Give the pages of a list as they are needed."""
        token: str | None = None
        while True:
            query = {**(params or {}), "pageToken": token}
            response = self._transport.request("GET", path, params=query)
            page = kind.model_validate_json(response.content)
            yield page
            token = page.next_page_token
            if token is None:
                return

    def progress(
        self,
        job_id: str,
        *,
        max_points: int | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> ProgressSeries:
        """Read the progress as columns, downsampled with every extreme kept."""
        params = {"maxPoints": max_points, "from": first, "to": last}
        response = self._transport.request("GET", f"/v1/jobs/{job_id}/progress", params=params)
        return ProgressSeries.model_validate_json(response.content)

    def export(self, job_id: str, kind: str) -> Iterator[bytes]:
        """Give every LearnProgress as bytes, as they arrive: ``ndjson`` or ``arrow``."""
        path = f"/v1/jobs/{job_id}/progress.{kind}"
        with self._transport.stream("GET", path) as response:
            yield from response.iter_bytes()

    def all_progress(self, job_id: str) -> Iterator[LearnProgress]:
        """Give every LearnProgress, one after the other."""
        with self._transport.stream("GET", f"/v1/jobs/{job_id}/progress.ndjson") as response:
            for line in response.iter_lines():
                yield LearnProgress.model_validate_json(line)

    def quality(self, job_id: str) -> list[QualityNote]:
        """List the versions of a job that were evaluated, the first first."""
        response = self._transport.request("GET", f"/v1/jobs/{job_id}/quality")
        return _QUALITY.validate_json(response.content)

    def follow(self, job_id: str, *, after: int = 0) -> Iterator[JobEvent]:
        """Give a job's events as they happen, until it is over.

        A broken connection is opened again where it broke off: nothing is missed or told twice.

        Args:
            job_id: the job.
            after: the number of the last event already known.

        Raises:
            Unreachable: nobody has answered for about a minute.
        """
        return self._follow(f"/v1/jobs/{job_id}/events", {}, str(after))

    def follow_many(self, job_ids: Sequence[str]) -> Iterator[JobEvent]:
        """Give the events of several jobs on one connection, until all are over.

        Raises:
            Unreachable: as ``follow``.
        """
        return self._follow("/v1/events", {"jobs": ",".join(job_ids)}, "")

    def follow_all(self) -> Iterator[JobEvent]:
        """Give the events of all jobs, from now on and for ever.

        Raises:
            Unreachable: as ``follow``.
        """
        return self._follow("/v1/events", {}, "")

    def _follow(self, path: str, params: dict[str, str], last_id: str) -> Iterator[JobEvent]:
        """Follow a stream from behind the event ``last_id``, over broken connections."""
        failures = 0
        while True:
            if failures:
                time.sleep(min(5.0, 0.2 * 2**failures))
            failures += 1  # until an event comes
            try:
                with self._stream(path, params, last_id) as response:
                    if response.status_code == 204:
                        return
                    for event_id, event in _frames(response):
                        last_id, failures = event_id, 0
                        yield event
            except (Unreachable, httpx.TransportError):
                if failures > 12:
                    raise

    def _stream(
        self, path: str, params: dict[str, str], last_id: str
    ) -> AbstractContextManager[httpx.Response]:
        return self._transport.stream(
            "GET",
            path,
            params=params,
            headers={"Last-Event-ID": last_id, "Accept": "text/event-stream"},
            timeout_s=FOLLOW_SILENCE_SECONDS,
        )

    def learners(self) -> list[Learner]:
        """List the learners by name."""
        found: list[Learner] = []
        path: str | None = "/v1/learners"
        while path is not None:
            response = self._transport.request("GET", path)
            found += _LEARNERS.validate_json(response.content)
            path = response.links.get("next", {}).get("url")
        return found

    def steer_learner(self, learner_id: str, action: LearnerAction) -> Learner:
        """Drain a learner, quarantine it, or give it jobs again; needs the role admin."""
        response = self._transport.request("POST", f"/v1/learners/{learner_id}/{action}")
        return Learner.model_validate_json(response.content)

    def datasets(self) -> list[DatasetInfo]:
        """List the datasets that learners can read."""
        return _DATASETS.validate_json(self._transport.request("GET", "/v1/datasets").content)

    def recipes(self) -> list[Recipe]:
        """List the recipes: whole jobs to start from."""
        response = self._transport.request("GET", "/v1/recipes")
        return _RECIPES.validate_json(response.content)

    def strategies(self) -> list[StrategyInfo]:
        """List the learning strategies, each with the JSON Schema of its config keys."""
        response = self._transport.request("GET", "/v1/strategies")
        return _STRATEGIES.validate_json(response.content)

    # What learners do. Each call may be sent again when its answer is lost.

    def register(self, registration: Registration) -> Registered:
        """Register a learner."""
        response = self._post("/v1/learners", registration)
        return Registered.model_validate_json(response.content)

    def claim(self, learner_id: str, claim: Claim, *, wait_seconds: float) -> Assignment | None:
        """Claim a job, waiting for one; None when none came."""
        path = f"/v1/learners/{learner_id}/claim"
        response = self._post(path, claim, wait_seconds=wait_seconds)
        if response.status_code == 204:
            return None
        return Assignment.model_validate_json(response.content)

    def heartbeat(self, attempt_id: str, beat: Heartbeat, *, wait_seconds: float) -> HeartbeatReply:
        """Renew a lease, then wait for a command."""
        path = f"/v1/attempts/{attempt_id}/heartbeat"
        response = self._post(path, beat, wait_seconds=wait_seconds)
        return HeartbeatReply.model_validate_json(response.content)

    def push_progress(self, attempt_id: str, push: ProgressPush) -> ProgressReply:
        """Push points of progress."""
        response = self._post(f"/v1/attempts/{attempt_id}/progress", push)
        return ProgressReply.model_validate_json(response.content)

    def note_snapshot(self, attempt_id: str, note: SnapshotNote) -> None:
        """Note that a snapshot was committed at the repository."""
        self._post(f"/v1/attempts/{attempt_id}/snapshots", note)

    def note_collapse(self, attempt_id: str, note: CollapseNote) -> None:
        """Note that the generator has collapsed."""
        self._post(f"/v1/attempts/{attempt_id}/collapses", note)

    def note_quality(self, attempt_id: str, note: QualityNote) -> None:
        """Note that a version was evaluated."""
        self._post(f"/v1/attempts/{attempt_id}/quality", note)

    def complete(self, attempt_id: str, completion: Completion) -> None:
        """End an attempt."""
        self._post(f"/v1/attempts/{attempt_id}/complete", completion)

    def _post(self, path: str, body: WireModel, *, wait_seconds: float = 0.0) -> httpx.Response:
        headers = {"Prefer": f"wait={wait_seconds:g}"} if wait_seconds else {}
        return self._transport.request(
            "POST",
            path,
            json=_body(body),
            headers=headers,
            timeout_s=wait_seconds + 10.0,
            retry=False,
        )


def _frames(response: httpx.Response) -> Iterator[tuple[str, JobEvent]]:
    """Read server-sent events, each with its id in the stream."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        else:
            if "data" in fields:
                yield fields["id"], JobEvent.model_validate_json(fields["data"])
            fields = {}


def _body(model: WireModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True)
