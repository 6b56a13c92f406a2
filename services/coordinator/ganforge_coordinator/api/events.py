"""Following jobs: server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any

from fastapi import Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from ganforge.errors import BadInput
from ganforge.wire.jobs import JobEvent
from ganforge_chassis.api_route import api_router
from ganforge_coordinator import following, signals
from ganforge_coordinator.api.deps import READER, RECHECK_SECONDS, JobId, Parts, Service
from ganforge_coordinator.following import Follower, News

router = api_router("jobs", prefix="/v1")

MEDIA_TYPE = "text/event-stream"
PING_SECONDS = 15.0
GATHER_SECONDS = 0.1
"""How long the news of many jobs gather, lest each of them be a look at all jobs."""
JOBS_AT_ONCE = 100
"""How many jobs one may name: the numbers of all of them are in the id of each event."""

IdOf = Callable[[JobEvent], str]
"""Gives the id that an event has in a stream."""

_STREAM: dict[str, Any] = {
    # Not EventSourceResponse, which FastAPI takes for the mark of an endpoint that yields: these
    # also answer 204.
    "response_class": StreamingResponse,
    "responses": {
        200: {
            "description": "Server-sent events",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        204: {"description": "It is over and all of it has been told"},
    },
}

LastEventId = Annotated[
    str | None, Header(max_length=32_000, description="the id of the last event that arrived")
]


@router.get("/jobs/{job_id}/events", operation_id="followJob", dependencies=[READER], **_STREAM)
async def follow(
    job_id: JobId,
    parts: Parts,
    last_event_id: LastEventId = None,
    after: Annotated[int, Query(ge=0, lt=2**53, description="like Last-Event-ID")] = 0,
) -> Response:
    """Follow a job: its events, numbered without gaps.

    A follower that comes back with ``Last-Event-ID`` misses nothing and sees nothing twice. The
    stream ends when the job is over; coming back then gives 204, which ends an EventSource.
    """
    seen = after if last_event_id is None else _number_of(last_event_id)
    follower = Follower({job_id: seen})
    return await _answer(parts, follower, _topics_of(job_id), lambda event: str(event.id))


@router.get("/events", operation_id="followJobs", dependencies=[READER], **_STREAM)
async def follow_many(
    parts: Parts,
    job_ids: Annotated[
        str | None,
        Query(
            alias="jobs",
            max_length=65 * JOBS_AT_ONCE,
            description=f"ids of at most {JOBS_AT_ONCE} jobs, with commas; all jobs when not given",
        ),
    ] = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow several jobs from their beginning, or all jobs from now on, on one connection.

    The id of an event tells how far every job was told, so a follower that comes back with
    ``Last-Event-ID`` misses nothing and sees nothing twice. The stream of named jobs ends when
    all of them are over.
    """
    if job_ids is None:
        follower = await run_in_threadpool(_follower_of_all, parts, last_event_id)
        topics: tuple[str, ...] = (signals.ANY_JOB,)
    else:
        named = list(dict.fromkeys(each.strip() for each in job_ids.split(",")))
        if not 1 <= len(named) <= JOBS_AT_ONCE:
            raise BadInput(f"jobs: name at most {JOBS_AT_ONCE}, or leave it out to follow all")
        follower = following.follower_of(named, last_event_id)
        topics = _topics_of(*named)
    return await _answer(parts, follower, topics, lambda _: str(follower.cursor))


def _topics_of(*job_ids: str) -> tuple[str, ...]:
    return tuple(name(job) for job in job_ids for name in (signals.of_job, signals.points_of))


def _number_of(event_id: str) -> int:
    """Read the number of an event; 0 for what is none, so that such a follower misses nothing."""
    return int(event_id) if re.fullmatch("[0-9]{1,15}", event_id) else 0


def _follower_of_all(parts: Service, last_event_id: str | None) -> Follower:
    with parts.database.read() as connection:
        return following.follower_of_all(connection, last_event_id)


async def _answer(
    parts: Service, follower: Follower, topics: tuple[str, ...], id_of: IdOf
) -> Response:
    news = await run_in_threadpool(_look, parts, follower)
    if follower.is_done and not news:
        return Response(status_code=204)
    return StreamingResponse(
        _stream(parts, follower, topics, id_of, news),
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def _look(parts: Service, follower: Follower) -> list[News]:
    with parts.database.read() as connection:
        return follower.look(connection)


def _after(parts: Service, follower: Follower, news: News) -> list[JobEvent]:
    with parts.database.read() as connection:
        return follower.after(connection, news)


async def _stream(
    parts: Service, follower: Follower, topics: tuple[str, ...], id_of: IdOf, news: list[News]
) -> AsyncGenerator[bytes]:
    """Tell events as they come; whoever takes them slowly has few of them kept for him."""
    yield format_sse_event(retry=1000)
    silent = 0.0
    with parts.signals.waiting(*topics) as waiter:
        waiter.wake()  # for what came after the first look, when nobody waited yet
        while True:
            for each in news:
                while fresh := await run_in_threadpool(_after, parts, follower, each):
                    for event in fresh:
                        follower.tell(event)
                        yield _encode(event, id_of(event))
                        if parts.stopping.is_set():
                            return
            if follower.is_done or parts.stopping.is_set():
                return
            silent = 0.0 if news else silent
            if silent >= PING_SECONDS:
                silent = 0.0
                yield format_sse_event(comment="still here")
            await waiter.wait(RECHECK_SECONDS)
            silent += RECHECK_SECONDS
            if len(topics) > 2 or signals.ANY_JOB in topics:
                await asyncio.sleep(GATHER_SECONDS)
            news = await run_in_threadpool(_look, parts, follower)


def _encode(event: JobEvent, event_id: str) -> bytes:
    data = json.dumps(event.model_dump(mode="json"), separators=(",", ":"))
    return format_sse_event(data_str=data, event=event.type, id=event_id)
