"""Thinning: what remains of the progress of jobs that ended long ago."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from ganforge_chassis.clock import now_ms
from ganforge_coordinator import columns, history, progress
from ganforge_coordinator.columns import Columns
from ganforge_coordinator.db.models import jobs, progress_chunks, series_schemas
from ganforge_coordinator.ledger import JobRow

CHUNKS_AT_ONCE = 200
"""How many chunks a batch has: all of them are in memory."""

POINTS_KEPT = 2000
"""How many points of each series remain, give or take some."""

_RUNS = POINTS_KEPT // 3  # of each run of iterations the lowest, the highest and the last


def pick(connection: Connection, age_ms: int) -> Sequence[str]:
    """Find a job that ended so long ago and is not thinned out; gives its id, or nothing."""
    some = exists().where(progress_chunks.c.job_id == jobs.c.id, _is_whole(connection))
    chosen = select(jobs.c.id).where(_ended_before(age_ms), some).limit(1)
    return connection.execute(chosen).scalars().all()


def thin_some(connection: Connection, age_ms: int, picked: Sequence[str]) -> int:
    """Thin out some chunks of a job that was picked; gives how many chunks there were.

    The points that count remain as the extremes of each run of iterations, exact as they were. A
    history that is half thinned out reads like any other, so it may break off after any batch.
    """
    chosen = select(jobs).where(jobs.c.id.in_(picked), _ended_before(age_ms))
    locked = chosen.with_for_update(skip_locked=True)
    job = connection.execute(locked).mappings().one_or_none()
    if job is None:  # it goes on again, or another coordinator has it in hand
        return 0
    counting = history.find(connection, job["id"])
    chunks = _next_chunks(connection, job["id"])
    for (epoch, _), alike in groupby(chunks, key=lambda row: (row.epoch, row.series_digest)):
        rows = list(alike)
        points = _that_count(connection, rows, counting.ends[epoch])
        _replace(connection, job["id"], rows, columns.thin(points, _width(job)))
    return len(chunks) + _drop_other_ranks(connection, job["id"])


def due(connection: Connection, age_ms: int) -> int:
    """Count the chunks that would be thinned out now."""
    counted = (
        select(func.count())
        .select_from(progress_chunks)
        .join(jobs)
        .where(_ended_before(age_ms), _is_whole(connection))
    )
    return int(connection.execute(counted).scalar_one())


def _ended_before(age_ms: int) -> ColumnElement[bool]:
    return jobs.c.finished_ms < now_ms() - age_ms


def _is_whole(connection: Connection) -> ColumnElement[bool]:
    """Choose chunks that are not thinned out yet; those of other ranks are shown nowhere."""
    known = connection.execute(select(series_schemas.c.digest, series_schemas.c.names))
    thinned = [digest for digest, names in known if names[0] is columns.OFFSETS]
    chunk = progress_chunks.c
    return or_(chunk.rank != 0, chunk.series_digest.not_in(thinned))


def _next_chunks(connection: Connection, job_id: str) -> Sequence[Row[Any]]:
    chunk = progress_chunks.c
    found = (
        select(*(chunk[name] for name in history.CHUNK))
        .where(chunk.job_id == job_id, chunk.rank == 0, _is_whole(connection))
        .order_by(chunk.job_seq)
        .limit(CHUNKS_AT_ONCE)
    )
    return connection.execute(found).all()


def _that_count(connection: Connection, rows: Sequence[Row[Any]], end: int | None) -> Columns:
    """Unpack like chunks, and leave out the points that a later attempt went back behind."""
    named = select(series_schemas.c.names).where(series_schemas.c.digest == rows[0].series_digest)
    points = history.unpacked(rows, connection.execute(named).scalar_one())
    return points if end is None else points.take(points.iterations < end)


def _width(job: JobRow) -> int:
    """Give the length of a run in iterations: 1 for a job of few, which keeps them all."""
    return 1 if job["iteration"] <= POINTS_KEPT else -(-int(job["iteration"]) // _RUNS)


def _replace(
    connection: Connection, job_id: str, rows: Sequence[Row[Any]], points: Columns
) -> None:
    """Put what remains of chunks in the place of the last of them."""
    chunk = progress_chunks.c
    gone = [row.job_seq for row in rows]
    if len(points):
        last = gone.pop()
        names, body = columns.pack_scattered(points)
        progress.keep_names(connection, progress.name_of(names), names)
        first, span = int(points.iterations[0]), int(points.iterations[-1] - points.iterations[0])
        connection.execute(
            update(progress_chunks)
            .where(chunk.job_id == job_id, chunk.job_seq == last)
            .values(
                series_digest=progress.name_of(names),
                first=first,
                # So that first + step * (count - 1), by which chunks are chosen, is not too small.
                step=-(-span // max(1, len(points) - 1)),
                count=len(points),
                body=body,
            )
        )
    connection.execute(
        delete(progress_chunks).where(chunk.job_id == job_id, chunk.job_seq.in_(gone))
    )


def _drop_other_ranks(connection: Connection, job_id: str) -> int:
    chunk = progress_chunks.c
    others = select(chunk.job_seq).where(chunk.job_id == job_id, chunk.rank != 0)
    gone = connection.execute(others.limit(CHUNKS_AT_ONCE)).scalars().all()
    connection.execute(
        delete(progress_chunks).where(chunk.job_id == job_id, chunk.job_seq.in_(gone))
    )
    return len(gone)
