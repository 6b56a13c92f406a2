"""Every LearnProgress, kept once and in order."""

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    Float,
    Integer,
    Row,
    Select,
    String,
    case,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from ganforge import digest
from ganforge.errors import BadInput, SequenceGap
from ganforge.wire.learning import ProgressPush, ProgressReply
from ganforge.wire.progress import LearnProgress
from ganforge_chassis.clock import now_ms
from ganforge_chassis.facts import FACTS, table_of
from ganforge_coordinator import columns, lease
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
    if _last(push) >= MAX_ITERATION:
        raise BadInput("first, step: iterations stay below 2^53")
    (told,) = push_all(connection, [(attempt_id, push)])
    if told is not None:
        return told
    held = lease.hold(connection, attempt_id, push.rank, iteration=_last(push) + 1)
    if push.seq < held.next_seq:
        return held.job["id"], ProgressReply(applied=False, next_seq=held.next_seq)
    raise SequenceGap(
        f"push {push.seq} came before push {held.next_seq}", expectedSeq=held.next_seq
    )


def push_all(
    connection: Connection, pushes: Sequence[tuple[str, ProgressPush]]
) -> list[tuple[str, ProgressReply] | None]:
    """Keep the pushes of many attempts, in as few statements as that of one.

    Returns:
        For each its job's id and the answer; None for one that was not kept, and whom ``push``
        tells why: its lease is gone, it is not the next one, or not the first here of its attempt.
    """
    firsts: dict[str, tuple[int, ProgressPush]] = {}
    for place, (attempt_id, push) in enumerate(pushes):
        if _last(push) < MAX_ITERATION:
            firsts.setdefault(attempt_id, (place, push))
    # The jobs before the members, as everywhere: two orders of locks would be a deadlock.
    held = _lock_jobs(connection, {attempt_id: push for attempt_id, (_, push) in firsts.items()})
    counted = lease.renew_all(
        connection,
        [
            lease.fact_of(attempt_id, push.rank, _last(push) + 1, seq=push.seq)
            for attempt_id, (_, push) in firsts.items()
        ],
    )
    kept = [(held[attempt_id], firsts[attempt_id][1]) for attempt_id, _ in counted]
    _keep(connection, kept)
    told: list[tuple[str, ProgressReply] | None] = [None] * len(pushes)
    for attempt_id, _ in counted:
        place, push = firsts[attempt_id]
        told[place] = held[attempt_id].id, ProgressReply(applied=True, next_seq=push.seq + 1)
    return told


def _last(push: ProgressPush) -> int:
    return push.first + push.step * (push.count - 1)


def _lock_jobs(connection: Connection, pushes: Mapping[str, ProgressPush]) -> dict[str, Row[Any]]:
    """Lock the jobs of attempts, one after the other, and tell whether their series are known."""
    facts = [
        {"attempt": attempt_id, "name": name_of(list(push.series))}
        for attempt_id, push in pushes.items()
    ]
    rows = connection.execute(_jobs(connection.dialect.name), {FACTS: facts})
    return {row.attempt: row for row in rows}


def _keep(connection: Connection, pushes: Sequence[tuple[Row[Any], ProgressPush]]) -> None:
    """Keep pushes that were counted, each under its job's next number."""
    if not pushes:
        return
    for job, push in pushes:
        if not job.is_known:
            keep_names(connection, job.name, list(push.series))
    facts = [{"job": job.id, **_latest(push)} for job, push in pushes]
    rows = connection.execute(_numbers(connection.dialect.name), {FACTS: facts})
    numbers = {row.id: row.last_seq for row in rows}
    chunks = [
        {
            "job_id": job.id,
            "epoch": job.epoch,
            "rank": push.rank,
            "seq": push.seq,
            "job_seq": numbers[job.id],
            "first": push.first,
            "step": push.step,
            "count": push.count,
            "series_digest": job.name,
            "body": columns.pack(push.series),
        }
        for job, push in pushes
    ]
    connection.execute(_CHUNK, chunks)


def _latest(push: ProgressPush) -> dict[str, Any]:
    """Say what a push changes in its job: that of rank 0 is also the latest that is shown."""
    last = {name: column[-1] for name, column in push.series.items()}
    latest = LearnProgress(iteration=_last(push), minibatch_loss=last.pop(LOSS, None), extra=last)
    return {
        "of_rank": push.rank,
        "latest": latest.model_dump(mode="json"),
        "done": latest.iteration + 1,
        "rate": push.iterations_per_second,
    }


# Said once: saying a statement costs several times as much as executing it.
_CHUNK = insert(progress_chunks).values(received_ms=now_ms())


@functools.cache
def _jobs(dialect: str) -> Select[Any]:
    fact = table_of(dialect, {"attempt": String, "name": String}).c
    return (
        select(
            fact.attempt,
            fact.name,
            jobs.c.id,
            jobs.c.epoch,
            exists().where(series_schemas.c.digest == fact.name).label("is_known"),
        )
        .where(attempts.c.id == fact.attempt, jobs.c.id == attempts.c.job_id)
        .order_by(jobs.c.id)
        .with_for_update(of=jobs)
    )


@functools.cache
def _numbers(dialect: str) -> ReturningUpdate[Any]:
    kinds = {"job": String, "of_rank": Integer, "latest": JSON, "done": BigInteger, "rate": Float}
    fact = table_of(dialect, kinds).c
    rate = func.coalesce(fact.rate, jobs.c.iterations_per_second)
    shown = {"progress": fact.latest, "iteration": fact.done, "updated_ms": now_ms()}
    return (
        update(jobs)
        .where(jobs.c.id == fact.job)
        .values(
            last_seq=jobs.c.last_seq + 1,
            **{
                name: case((fact.of_rank == 0, value), else_=jobs.c[name])
                for name, value in {**shown, "iterations_per_second": rate}.items()
            },
        )
        .returning(jobs.c.id, jobs.c.last_seq)
    )


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
