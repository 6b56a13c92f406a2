"""Following a job: server-sent events (WHATWG HTML, section 9.2)."""

import json
import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from ganforge.wire.jobs import JobEvent, JobState
from ganforge_chassis.api_route import api_router
from ganforge_coordinator import events, ledger, signals
from ganforge_coordinator.api.deps import READER, RECHECK_SECONDS, JobId, Parts

router = api_router("jobs", prefix="/v1/jobs")

MEDIA_TYPE = "text/event-stream"
PING_SECONDS = 15.0
_TEXT = {"type": "string"}


@router.get(
    "/{job_id}/events",
    operation_id="followJob",
    dependencies=[READER],
    # Not EventSourceResponse, which FastAPI takes for the mark of an endpoint that yields: this
    # one also answers 204.
    response_class=StreamingResponse,
    responses={
        200: {"description": "Server-sent events", "content": {MEDIA_TYPE: {"schema": _TEXT}}},
        204: {"description": "The job is over and all of it has been told"},
    },
)
async def follow(
    job_id: JobId,
    parts: Parts,
    last_event_id: Annotated[str | None, Header()] = None,
    after: Annotated[int, Query(ge=0, lt=2**53, description="like Last-Event-ID")] = 0,
) -> Response:
    """Follow a job: state, progress, snapshot and log events, numbered without gaps.

    A follower that comes back with ``Last-Event-ID`` misses nothing and sees nothing twice. The
    stream ends when the job is over; coming back then gives 204, which ends an EventSource.
    """
    seen = after if last_event_id is None else _number_of(last_event_id)
    fresh, over = await run_in_threadpool(_look, parts, job_id, seen)
    if over and not fresh:
        return Response(status_code=204)
    return StreamingResponse(
        _stream(parts, job_id, seen),
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def _number_of(event_id: str) -> int:
    """Read the number of an event; 0 for what is none, so that such a follower misses nothing."""
    return int(event_id) if re.fullmatch("[0-9]{1,15}", event_id) else 0


def _look(parts: Parts, job_id: str, seen: int) -> tuple[list[JobEvent], bool]:
    """Give the events after ``seen`` and whether the job is over."""
    with parts.database.read() as connection:
        # The job first: were it read last, an end between the two would lose its event.
        job = ledger.find(connection, job_id)
        fresh = events.after(connection, job_id, seen, until=job["last_seq"])
        return fresh, JobState(job["state"]).is_final


async def _stream(parts: Parts, job_id: str, seen: int) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=1000)
    silent = 0.0
    topics = (signals.of_job(job_id), signals.points_of(job_id))
    with parts.signals.waiting(*topics) as waiter:
        while not parts.stopping.is_set():
            fresh, over = await run_in_threadpool(_look, parts, job_id, seen)
            for event in fresh:
                seen = event.id
                yield _encode(event)
            if fresh:
                silent = 0.0
            if len(fresh) == events.BATCH:
                continue
            if over:
                return
            if silent >= PING_SECONDS:
                silent = 0.0
                yield format_sse_event(comment="still here")
            await waiter.wait(RECHECK_SECONDS)
            silent += RECHECK_SECONDS


def _encode(event: JobEvent) -> bytes:
    data = json.dumps(event.model_dump(mode="json"), separators=(",", ":"))
    return format_sse_event(data_str=data, event=event.type, id=str(event.id))
