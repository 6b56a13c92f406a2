"""Every LearnProgress: kept once and in order, read as columns."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, RowMapping, case, func, insert, select, update

from ganforge import digest
from ganforge.errors import BadInput, SequenceGap
from ganforge.wire.jobs import ProgressSeries
from ganforge.wire.learning import ProgressPush, ProgressReply
from ganforge.wire.progress import LearnProgress
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import columns, lease, ledger
from ganforge_coordinator.columns import Columns
from ganforge_coordinator.db.models import (
    attempt_members,
    attempts,
    jobs,
    progress_chunks,
    series_schemas,
)

LOSS = "minibatchLoss"
MAX_ITERATION = 2**53


def push(connection: Connection, attempt_id: str, push: ProgressPush) -> tuple[str, ProgressReply]:
    """Keep points of progress exactly once and in order; gives the job's id and the answer.

    Raises:
        LeaseLost: the lease is gone; nothing was kept.
        SequenceGap: pushes before this one are missing; ``expectedSeq`` says from which on.
        BadInput: an iteration beyond 2^53, which JSON cannot say exactly.
    """
    if push.first + push.step * (push.count - 1) >= MAX_ITERATION:
        raise BadInput("first, step: iterations stay below 2^53")
    held = lease.hold(connection, attempt_id, push.rank)
    job_id = str(held.job["id"])
    if push.seq < held.next_seq:
        return job_id, ProgressReply(applied=False, next_seq=held.next_seq)
    if push.seq > held.next_seq:
        raise SequenceGap(
            f"push {push.seq} came before push {held.next_seq}", expectedSeq=held.next_seq
        )
    _insert_chunk(connection, held.job, push)
    connection.execute(
        update(attempt_members)
        .where(attempt_members.c.attempt_id == attempt_id, attempt_members.c.rank == push.rank)
        .values(next_seq=push.seq + 1)
    )
    if push.rank == 0:
        _update_job(connection, job_id, push)
    return job_id, ProgressReply(applied=True, next_seq=push.seq + 1)


def _insert_chunk(connection: Connection, job: RowMapping, push: ProgressPush) -> None:
    names = list(push.series)
    connection.execute(
        insert(progress_chunks).values(
            job_id=job["id"],
            epoch=job["epoch"],
            rank=push.rank,
            seq=push.seq,
            job_seq=ledger.next_seq(connection, job["id"]),
            first=push.first,
            step=push.step,
            count=push.count,
            series_digest=_digest_of(connection, names),
            received_ms=now_ms(),
            body=columns.pack(push.series),
        )
    )


def _digest_of(connection: Connection, names: list[str]) -> str:
    """Name a list of series; they are few, so each is stored once."""
    name = digest.of_bytes(json.dumps(names).encode())
    known = select(series_schemas.c.digest).where(series_schemas.c.digest == name)
    if connection.execute(known).scalar_one_or_none() is None:
        _insert_schema(connection, name, names)
    return name


def _insert_schema(connection: Connection, name: str, names: list[str]) -> None:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as upsert
    else:
        from sqlalchemy.dialects.sqlite import insert as upsert  # type: ignore[assignment]
    statement = upsert(series_schemas).values(digest=name, names=names)
    connection.execute(statement.on_conflict_do_nothing())


def _update_job(connection: Connection, job_id: str, push: ProgressPush) -> None:
    last = {name: column[-1] for name, column in push.series.items()}
    latest = LearnProgress(
        iteration=push.first + push.step * (push.count - 1),
        minibatch_loss=last.pop(LOSS, None),
        extra=last,
    )
    values: dict[str, Any] = {
        "progress": latest.model_dump(mode="json"),
        "iteration": latest.iteration + 1,
        "updated_ms": now_ms(),
    }
    if push.iterations_per_second is not None:
        values["iterations_per_second"] = push.iterations_per_second
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))


def chunk_columns(row: RowMapping) -> Columns:
    """Unpack a stored chunk, joined with its series' names."""
    return columns.unpack(
        row["body"], row["names"], first=row["first"], step=row["step"], count=row["count"]
    )


def read(
    connection: Connection, job_id: str, *, first: int = 0, last: int | None = None
) -> Columns:
    """Read the points of iterations ``first`` to ``last``, both included.

    Points that a later attempt went back behind are left out: they belong to a past that was not
    kept. They stay stored.
    """
    parts = list(stream(connection, job_id, first=first, last=last))
    return columns.join(parts)


def stream(
    connection: Connection, job_id: str, *, first: int = 0, last: int | None = None
) -> Iterator[Columns]:
    """Read as ``read`` does, chunk after chunk."""
    ends = _ends_of_epochs(connection, job_id)
    chunks = (
        select(progress_chunks, series_schemas.c.names)
        .join(series_schemas)
        .where(progress_chunks.c.job_id == job_id, progress_chunks.c.rank == 0)
        .order_by(progress_chunks.c.epoch, progress_chunks.c.seq)
    )
    for row in connection.execute(chunks).mappings():
        part = chunk_columns(row)
        wanted = part.iterations >= first
        if last is not None:
            wanted &= part.iterations <= last
        if (end := ends[row["epoch"]]) is not None:
            wanted &= part.iterations < end
        if wanted.any():
            yield part if wanted.all() else part.take(wanted)


def _ends_of_epochs(connection: Connection, job_id: str) -> dict[int, int | None]:
    """Tell for each epoch the iteration from which a later one took over.

    An attempt took over where it says it began, or, when it ended before it could say so, where
    its first point is.
    """
    first_points = (
        select(progress_chunks.c.epoch, func.min(progress_chunks.c.first).label("first"))
        .where(progress_chunks.c.job_id == job_id, progress_chunks.c.rank == 0)
        .group_by(progress_chunks.c.epoch)
        .subquery()
    )
    begin = case((attempts.c.started, attempts.c.resume_iteration), else_=first_points.c.first)
    rows = connection.execute(
        select(attempts.c.epoch, begin)
        .outerjoin(first_points, first_points.c.epoch == attempts.c.epoch)
        .where(attempts.c.job_id == job_id)
        .order_by(attempts.c.epoch.desc())
    ).all()
    ends: dict[int, int | None] = {}
    end: int | None = None
    for epoch, began in rows:
        ends[epoch] = end
        if began is not None:
            end = began if end is None else min(end, began)
    return ends


def as_series(points: Columns, total: int) -> ProgressSeries:
    """Say columns as they cross the wire."""
    return ProgressSeries(
        iterations=points.iterations.tolist(),
        series={name: columns.as_json(column) for name, column in points.series.items()},
        total=total,
    )
