"""Submit, list, show, steer jobs."""

from typing import Annotated

from fastapi import Header, Query, Request, Response

from ganforge import recipes
from ganforge.wire.jobs import Job, JobAction, JobPage, JobState, LearnJob
from ganforge.wire.quality import QualityNote
from ganforge_chassis.api_route import api_router
from ganforge_chassis.conditional import is_named
from ganforge_chassis.paging import PagesOf50
from ganforge_coordinator import ledger, quality, signals, submission, views
from ganforge_coordinator.api.deps import READER, SUBMITTER, JobId, Parts
from ganforge_coordinator.job import Trigger

router = api_router("jobs", prefix="/v1/jobs")


@router.post("", status_code=201, operation_id="submitJob", dependencies=[SUBMITTER])
def submit(
    job: LearnJob,
    request: Request,
    response: Response,
    parts: Parts,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Job:
    """Submit a learn job; with an Idempotency-Key it may safely be sent twice."""
    body = submission.canonical(job)
    with parts.database.read() as connection:
        row = submission.replayed(connection, idempotency_key, body)
        if row is None:
            whole = recipes.expand(job)
            config = submission.check(connection, whole, parts.repository)
    if row is None:
        with parts.database.write() as connection:
            row = submission.replayed(connection, idempotency_key, body) or submission.enter(
                connection,
                whole,
                config,
                key=idempotency_key,
                body=body,
                lease_ms=int(parts.settings.lease_seconds * 1000),
            )
        parts.signals.notify(signals.QUEUE)
    response.headers["Location"] = f"{request.url.path}/{row['id']}"
    return _told(row["id"], response, parts)


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


@router.get("/{job_id}", operation_id="getJob", dependencies=[READER])
def show(
    job_id: JobId,
    response: Response,
    parts: Parts,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Job:
    """Show a job: its state, its latest LearnProgress, its attempts, its weights."""
    told = _told(job_id, response, parts)
    if is_named(response.headers["ETag"].strip('"'), if_none_match):
        response.status_code = 304
    return told


@router.post("/{job_id}/{action}", operation_id="steerJob", dependencies=[SUBMITTER])
def steer(job_id: JobId, action: JobAction, response: Response, parts: Parts) -> Job:
    """Stop, pause, resume, cancel or retry a job.

    Stop keeps what was learnt; cancel throws the lease away at once. Asking again changes nothing.
    """
    with parts.database.write() as connection:
        ledger.apply(connection, ledger.lock(connection, job_id), Trigger(action.value))
    parts.signals.notify(signals.QUEUE, signals.of_job(job_id))
    return _told(job_id, response, parts)


@router.get("/{job_id}/quality", operation_id="getQuality", dependencies=[READER])
def read_quality(job_id: JobId, parts: Parts) -> list[QualityNote]:
    """List the versions of a job that were evaluated, in the order they were."""
    with parts.database.read() as connection:
        ledger.find(connection, job_id)
        return quality.told(connection, job_id)


def _told(job_id: str, response: Response, parts: Parts) -> Job:
    with parts.database.read() as connection:
        row = ledger.find(connection, job_id)
        job = views.job(connection, row, parts.settings.repository_public_url)
    response.headers["ETag"] = f'"{row["last_seq"]}-{row["updated_ms"]}"'
    return job
