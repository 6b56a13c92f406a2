"""Submit, list, show, steer jobs."""

import asyncio
from typing import Annotated

from fastapi import Header, Query, Request, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from ganforge import recipes
from ganforge.errors import PreconditionFailed, PreconditionRequired
from ganforge.wire.jobs import (
    AttemptPage,
    Job,
    JobAction,
    JobPage,
    JobPatch,
    JobState,
    LearnJob,
    SnapshotPage,
)
from ganforge.wire.quality import QualityNote
from ganforge_chassis.api_route import api_router
from ganforge_chassis.conditional import is_named, is_strongly_named
from ganforge_chassis.paging import PagesOf50
from ganforge_chassis.tokens import Caller
from ganforge_coordinator import edit, ledger, quality, removal, signals, submission, views
from ganforge_coordinator.api.answers import Once, sent, told
from ganforge_coordinator.api.deps import (
    IF_MATCH_REQUIRED,
    READER,
    RECHECK_SECONDS,
    SUBMITTER,
    IdempotencyKey,
    IfMatch,
    IfMatchUntold,
    JobId,
    Parts,
    Service,
    Submitter,
    WaitSeconds,
)
from ganforge_coordinator.idempotency import Answer
from ganforge_coordinator.job import Trigger

router = api_router("jobs", prefix="/v1/jobs")


@router.post("", status_code=201, operation_id="submitJob", response_model=Job)
def submit(
    job: LearnJob, request: Request, parts: Parts, caller: Submitter, key: IdempotencyKey
) -> Response:
    """Submit a learn job; with an Idempotency-Key it may safely be sent twice."""
    once = Once(parts, caller, key, said=b"submit\0" + submission.canonical(job))
    with once.alone():
        with parts.database.read() as connection:
            answer = once.recall(connection)
            if answer is None:
                whole = recipes.expand(job)
                config = submission.check(connection, whole, parts.repository)
        if answer is None:
            with parts.database.write() as connection:
                answer = once.recall(connection)
                if answer is None:
                    lease_ms = int(parts.settings.lease_seconds * 1000)
                    row = submission.enter(connection, whole, config, lease_ms=lease_ms)
                    path = f"{request.url.path}/{row['id']}"
                    answer = told(connection, row["id"], parts, status=201, Location=path)
                    once.keep(connection, answer)
            parts.signals.notify(signals.QUEUE)
    return sent(answer)


@router.get("", operation_id="listJobs", dependencies=[READER])
def list_jobs(
    parts: Parts,
    pages: PagesOf50,
    state: Annotated[
        list[JobState] | None, Query(description="only jobs in this state; may come again")
    ] = None,
) -> JobPage:
    """List jobs, newest first."""
    with parts.database.read() as connection:
        rows = views.listing(connection, state or [], before=pages.after(), limit=pages.limit)
        shown, token = pages.cut(rows, lambda row: [row["created_ms"], row["id"]])
        items = views.listed(connection, shown, parts.settings.repository_public_url)
    return JobPage(items=items, next_page_token=token)


@router.get(
    "/{job_id}",
    operation_id="getJob",
    dependencies=[READER],
    response_model=Job,
    responses={304: {"description": "Nothing has changed since the ETag in If-None-Match"}},
)
async def show(
    job_id: JobId,
    parts: Parts,
    wait_seconds: WaitSeconds,
    if_none_match: Annotated[
        str | None, Header(description="the ETag you have: 304 while it is still that")
    ] = None,
) -> Response:
    """Show a job: its state, its latest LearnProgress, its attempts, its weights.

    With `If-None-Match` and `Prefer: wait=`, the answer waits for a change, 25 s at most.
    """
    if not wait_seconds or if_none_match is None:
        return _unless_known(await run_in_threadpool(_look, parts, job_id), if_none_match)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    with parts.signals.waiting(signals.of_job(job_id)) as waiter:
        answer = _unless_known(await run_in_threadpool(_look, parts, job_id), if_none_match)
        while answer.status_code == 304 and not parts.stopping.is_set():
            left = deadline - loop.time()
            if left <= 0:
                break
            await waiter.wait(min(left, RECHECK_SECONDS))
            answer = _unless_known(await run_in_threadpool(_look, parts, job_id), if_none_match)
    answer.headers["Preference-Applied"] = f"wait={wait_seconds:g}"
    return answer


@router.patch(
    "/{job_id}",
    operation_id="editJob",
    dependencies=[SUBMITTER],
    response_model=Job,
    # To FastAPI it is not required, so that 428 and not 422 says that it is missing.
    openapi_extra={"parameters": [IF_MATCH_REQUIRED]},
)
def edit_job(
    job_id: JobId, patch: JobPatch, parts: Parts, if_match: IfMatchUntold = None
) -> Response:
    """Change what the body names of a job, as a merge patch (RFC 7396): null takes it away.

    How far it learns, and which learners may work on it, can be changed only while none does.
    """
    if if_match is None:
        raise PreconditionRequired("send If-Match with the job's ETag, so that no change is lost")
    with parts.database.write() as connection:
        row = ledger.lock(connection, job_id)
        _require_match(told(connection, job_id, parts), if_match)
        edit.edit(connection, row, patch)
        answer = told(connection, job_id, parts)
    parts.signals.notify(signals.QUEUE, signals.of_job(job_id))
    return sent(answer)


@router.delete("/{job_id}", operation_id="deleteJob", status_code=204, dependencies=[SUBMITTER])
def delete(job_id: JobId, parts: Parts, if_match: IfMatch = None) -> None:
    """Remove a job that is over, and its progress and events; its weights are kept."""
    with parts.database.write() as connection:
        row = ledger.lock(connection, job_id)
        if if_match is not None:
            _require_match(told(connection, job_id, parts), if_match)
        removal.remove(connection, row)
    parts.signals.notify(signals.of_job(job_id))


@router.post("/{job_id}/stop", operation_id="stopJob", response_model=Job)
def stop(job_id: JobId, parts: Parts, caller: Submitter, key: IdempotencyKey) -> Response:
    """End a job after the iteration in hand and keep what it has learnt; may be asked again."""
    return _steer(job_id, JobAction.STOP, parts, caller, key)


@router.post("/{job_id}/pause", operation_id="pauseJob", response_model=Job)
def pause(job_id: JobId, parts: Parts, caller: Submitter, key: IdempotencyKey) -> Response:
    """Take a job from its learner, with a snapshot to go on from; may be asked again."""
    return _steer(job_id, JobAction.PAUSE, parts, caller, key)


@router.post("/{job_id}/resume", operation_id="resumeJob", response_model=Job)
def resume(job_id: JobId, parts: Parts, caller: Submitter, key: IdempotencyKey) -> Response:
    """Let a paused job go on exactly where it was; may be asked again."""
    return _steer(job_id, JobAction.RESUME, parts, caller, key)


@router.post("/{job_id}/cancel", operation_id="cancelJob", response_model=Job)
def cancel(job_id: JobId, parts: Parts, caller: Submitter, key: IdempotencyKey) -> Response:
    """End a job at once: the lease is thrown away; may be asked again."""
    return _steer(job_id, JobAction.CANCEL, parts, caller, key)


@router.post("/{job_id}/retry", operation_id="retryJob", response_model=Job)
def retry(job_id: JobId, parts: Parts, caller: Submitter, key: IdempotencyKey) -> Response:
    """Put a job that is over back into the queue; it goes on from its last snapshot.

    Asking again may retry it again; with an Idempotency-Key it does not.
    """
    return _steer(job_id, JobAction.RETRY, parts, caller, key)


def _steer(
    job_id: str, action: JobAction, parts: Service, caller: Caller, key: str | None
) -> Response:
    once = Once(parts, caller, key, said=f"{action}\0{job_id}".encode())
    with once.alone(), parts.database.write() as connection:
        answer = once.recall(connection)
        if answer is None:
            steer(connection, job_id, action)
            answer = told(connection, job_id, parts)
            once.keep(connection, answer)
    parts.signals.notify(signals.QUEUE, signals.of_job(job_id))
    return sent(answer)


def steer(connection: Connection, job_id: str, action: JobAction) -> None:
    """Stop, pause, resume, cancel or retry a job."""
    ledger.apply(connection, ledger.lock(connection, job_id), Trigger(action.value))


@router.get("/{job_id}/attempts", operation_id="listAttempts", dependencies=[READER])
def list_attempts(job_id: JobId, parts: Parts, pages: PagesOf50) -> AttemptPage:
    """List the attempts at a job, the newest first."""
    with parts.database.read() as connection:
        ledger.find(connection, job_id)
        found = views.attempts_at(connection, job_id, before=pages.after(), limit=pages.limit)
    shown, token = pages.cut(found, lambda attempt: attempt.epoch)
    return AttemptPage(items=list(shown), next_page_token=token)


@router.get("/{job_id}/snapshots", operation_id="listSnapshots", dependencies=[READER])
def list_snapshots(job_id: JobId, parts: Parts, pages: PagesOf50) -> SnapshotPage:
    """List the snapshots that the job's learners have committed, the newest first."""
    with parts.database.read() as connection:
        ledger.find(connection, job_id)
        found = views.snapshots_of(connection, job_id, before=pages.after(), limit=pages.limit)
    shown, token = pages.cut(found, lambda note: [note.epoch, note.iteration])
    return SnapshotPage(items=list(shown), next_page_token=token)


@router.get("/{job_id}/quality", operation_id="getQuality", dependencies=[READER])
def read_quality(job_id: JobId, parts: Parts) -> list[QualityNote]:
    """List the versions of a job that were evaluated, in the order they were."""
    with parts.database.read() as connection:
        ledger.find(connection, job_id)
        return quality.told(connection, job_id)


def _look(parts: Service, job_id: str) -> Answer:
    with parts.database.read() as connection:
        return told(connection, job_id, parts)


def _unless_known(answer: Answer, if_none_match: str | None) -> Response:
    if is_named(_opaque(answer), if_none_match):
        return Response(status_code=304, headers={"ETag": answer.headers["ETag"]})
    return sent(answer)


def _require_match(answer: Answer, if_match: str) -> None:
    if not is_strongly_named(_opaque(answer), if_match):
        raise PreconditionFailed("the job has changed since you looked: look at it again")


def _opaque(answer: Answer) -> str:
    return answer.headers["ETag"].strip('"')
