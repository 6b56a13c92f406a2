"""Every LearnProgress, kept once and in order."""

import json
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from ganforge import digest
from ganforge.errors import BadInput, SequenceGap
from ganforge.wire.learning import ProgressPush, ProgressReply
from ganforge.wire.progress import LearnProgress
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import columns, lease, ledger
from ganforge_coordinator.db.models import (
    attempt_members,
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
    done = push.first + push.step * (push.count - 1) + 1
    held = lease.hold(connection, attempt_id, push.rank, iteration=done)
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
