"""Every LearnProgress, kept once and in order."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    Float,
    Row,
    bindparam,
    exists,
    func,
    insert,
    select,
    update,
)

from ganforge import digest
from ganforge.errors import BadInput, SequenceGap
from ganforge.wire.learning import ProgressPush, ProgressReply
from ganforge.wire.progress import LearnProgress
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import columns, lease, ledger
from ganforge_coordinator.db.models import (
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
    done = push.first + push.step * (push.count - 1) + 1
    names = list(push.series)
    series = name_of(names)
    # The job before the member, as everywhere: two orders of locks would be a deadlock.
    job = connection.execute(_JOB, {"attempt": attempt_id, "name": series}).one_or_none()
    if not lease.count(connection, attempt_id, push.rank, seq=push.seq, iteration=done):
        next_seq = lease.guard(connection, attempt_id, push.rank, iteration=done)
        return _refuse(push.seq, next_seq, job)
    assert job is not None  # the guard has found the attempt
    if not job.is_known:
        keep_names(connection, series, names)
    chunk = {
        "job_id": job.id,
        "epoch": job.epoch,
        "rank": push.rank,
        "seq": push.seq,
        "job_seq": _number(connection, job.id, push),
        "first": push.first,
        "step": push.step,
        "count": push.count,
        "series_digest": series,
        "body": columns.pack(push.series),
    }
    connection.execute(_CHUNK, chunk)
    return job.id, ProgressReply(applied=True, next_seq=push.seq + 1)


def _refuse(seq: int, next_seq: int, job: Row[Any] | None) -> tuple[str, ProgressReply]:
    """Answer a push that is not the next one."""
    assert job is not None  # the guard has found the attempt
    if seq < next_seq:
        return job.id, ProgressReply(applied=False, next_seq=next_seq)
    raise SequenceGap(f"push {seq} came before push {next_seq}", expectedSeq=next_seq)


# Said once: saying a statement costs several times as much as executing it.
_CHUNK = insert(progress_chunks).values(received_ms=now_ms())
_JOB = (
    select(
        jobs.c.id,
        jobs.c.epoch,
        exists().where(series_schemas.c.digest == bindparam("name")).label("is_known"),
    )
    .join(attempts, attempts.c.job_id == jobs.c.id)
    .where(attempts.c.id == bindparam("attempt"))
    .with_for_update(of=jobs)
)
_LATEST = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"))
    .values(
        last_seq=jobs.c.last_seq + 1,
        progress=bindparam("latest", type_=JSON),
        iteration=bindparam("done", type_=BigInteger),
        iterations_per_second=func.coalesce(
            bindparam("rate", type_=Float), jobs.c.iterations_per_second
        ),
        updated_ms=now_ms(),
    )
    .returning(jobs.c.last_seq)
)


def _number(connection: Connection, job_id: str, push: ProgressPush) -> int:
    """Take the job's next number for a push; that of rank 0 is also the latest that is shown."""
    if push.rank != 0:
        return ledger.next_seq(connection, job_id)
    last = {name: column[-1] for name, column in push.series.items()}
    latest = LearnProgress(
        iteration=push.first + push.step * (push.count - 1),
        minibatch_loss=last.pop(LOSS, None),
        extra=last,
    )
    facts = {
        "job": job_id,
        "latest": latest.model_dump(mode="json"),
        "done": latest.iteration + 1,
        "rate": push.iterations_per_second,
    }
    return int(connection.execute(_LATEST, facts).scalar_one())


def name_of(names: Sequence[str | None]) -> str:
    """Give the digest that names a list of series."""
    return digest.of_bytes(json.dumps(names).encode())


def keep_names(connection: Connection, name: str, names: Sequence[str | None]) -> None:
    """Keep a list of series under its digest; they are few, so each is stored once."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as upsert
    else:
        from sqlalchemy.dialects.sqlite import insert as upsert  # type: ignore[assignment]
    statement = upsert(series_schemas).values(digest=name, names=names)
    connection.execute(statement.on_conflict_do_nothing())
