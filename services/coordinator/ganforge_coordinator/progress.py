"""Every LearnProgress, kept once and in order."""

import json

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    Float,
    Integer,
    bindparam,
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
    chunk = {
        "job_id": job_id,
        "epoch": held.job["epoch"],
        "rank": push.rank,
        "seq": push.seq,
        "job_seq": _number(connection, job_id, push),
        "first": push.first,
        "step": push.step,
        "count": push.count,
        "series_digest": _digest_of(connection, list(push.series)),
        "body": columns.pack(push.series),
    }
    connection.execute(_CHUNK, chunk)
    member = {"attempt": attempt_id, "of_rank": push.rank, "next": push.seq + 1}
    connection.execute(_ADVANCE, member)
    return job_id, ProgressReply(applied=True, next_seq=push.seq + 1)


# Said once: saying a statement costs several times as much as executing it.
_CHUNK = insert(progress_chunks).values(received_ms=now_ms())
_ADVANCE = (
    update(attempt_members)
    .where(
        attempt_members.c.attempt_id == bindparam("attempt"),
        attempt_members.c.rank == bindparam("of_rank", type_=Integer),
    )
    .values(next_seq=bindparam("next"))
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
_KNOWN = select(series_schemas.c.digest).where(series_schemas.c.digest == bindparam("name"))


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


def _digest_of(connection: Connection, names: list[str]) -> str:
    """Name a list of series; they are few, so each is stored once."""
    name = digest.of_bytes(json.dumps(names).encode())
    if connection.execute(_KNOWN, {"name": name}).scalar_one_or_none() is None:
        _insert_schema(connection, name, names)
    return name


def _insert_schema(connection: Connection, name: str, names: list[str]) -> None:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as upsert
    else:
        from sqlalchemy.dialects.sqlite import insert as upsert  # type: ignore[assignment]
    statement = upsert(series_schemas).values(digest=name, names=names)
    connection.execute(statement.on_conflict_do_nothing())
