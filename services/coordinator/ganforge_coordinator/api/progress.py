"""Reading the progress of a job: thinned out for a chart, or all of it as a stream."""

import json
from typing import Annotated

from anyio import to_thread
from fastapi import Header, Query, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from ganforge.wire.jobs import ProgressSeries
from ganforge_chassis.api_route import api_router
from ganforge_chassis.conditional import is_named
from ganforge_coordinator import arrow, columns, history, ledger
from ganforge_coordinator.api.deps import READER, JobId, Parts, Service
from ganforge_coordinator.history import History
from ganforge_coordinator.progress import LOSS

router = api_router("jobs", prefix="/v1/jobs")

NDJSON = "application/x-ndjson"
_BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/{job_id}/progress",
    operation_id="getProgress",
    dependencies=[READER],
    response_model=ProgressSeries,
    responses={304: {"description": "Nothing was told since the ETag in If-None-Match"}},
)
async def read_progress(
    job_id: JobId,
    parts: Parts,
    max_points: Annotated[
        int,
        Query(
            alias="maxPoints",
            ge=2,
            le=100_000,
            description="how many points there may be; the lowest and the highest of every "
            "series and both ends come in any case",
        ),
    ] = 1000,
    first: Annotated[
        int, Query(alias="from", ge=0, lt=2**53, description="the first iteration wanted")
    ] = 0,
    last: Annotated[
        int | None, Query(alias="to", ge=0, lt=2**53, description="the last iteration wanted")
    ] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Read the progress as columns, thinned out with every extreme kept.

    The same points always give the same bytes, and the same ETag.
    """
    known = await run_in_threadpool(_known, parts, job_id)
    etag = known.etag(first, last, max_points)
    headers = {"ETag": f'"{etag}"', "Cache-Control": "no-cache"}
    if is_named(etag, if_none_match):
        return Response(status_code=304, headers=headers)

    def chart() -> Response:
        with parts.database.read() as connection:
            points = history.read(connection, known, first=first, last=last)
        few = columns.downsample(points, max_points)
        told = history.as_series(few, sum(map(len, points)))
        return Response(told.model_dump_json(), headers=headers, media_type="application/json")

    # Those who wait for their turn take no thread from others.
    return await to_thread.run_sync(chart, limiter=parts.charts)


@router.get(
    "/{job_id}/progress.ndjson",
    operation_id="getAllProgress",
    dependencies=[READER],
    response_class=StreamingResponse,
    responses={200: {"description": "A LearnProgress a line", "content": {NDJSON: _BINARY}}},
)
def read_all_progress(job_id: JobId, parts: Parts) -> Response:
    """Read every LearnProgress that counts now, one JSON object a line."""
    known = _known(parts, job_id)
    lines = map(_as_lines, history.stream(parts.database, known))
    return StreamingResponse(lines, media_type=NDJSON)


@router.get(
    "/{job_id}/progress.arrow",
    operation_id="getAllProgressAsArrow",
    dependencies=[READER],
    response_class=StreamingResponse,
    responses={200: {"description": "An Arrow stream", "content": {arrow.MEDIA_TYPE: _BINARY}}},
)
def read_all_progress_as_arrow(job_id: JobId, parts: Parts) -> Response:
    """Read every LearnProgress that counts now, as an Arrow IPC stream.

    The columns are ``iteration`` (int64) and one of float32 for each series, NaN where it has no
    number.
    """
    known = _known(parts, job_id)
    with parts.database.read() as connection:
        names = history.names(connection, known)
    written = arrow.write(names, history.stream(parts.database, known))
    return StreamingResponse(written, media_type=arrow.MEDIA_TYPE)


def _known(parts: Service, job_id: str) -> History:
    with parts.database.read() as connection:
        ledger.find(connection, job_id)
        return history.find(connection, job_id)


def _as_lines(part: columns.Columns) -> bytes:
    names = list(part.series)
    rows = zip(*(columns.as_json(column) for column in part.series.values()), strict=True)
    told = []
    for iteration, row in zip(part.iterations.tolist(), rows, strict=True):
        values = dict(zip(names, row, strict=True))
        loss = values.pop(LOSS, None)
        told.append(json.dumps({"iteration": iteration, "minibatchLoss": loss, "extra": values}))
    return ("\n".join(told) + "\n").encode()
