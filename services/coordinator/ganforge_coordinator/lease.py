"""Leases: the guard that every learner's write begins with, and what ends them."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    Row,
    RowMapping,
    String,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from ganforge.errors import Conflict, LeaseLost
from ganforge_chassis.clock import later, now_ms
from ganforge_chassis.facts import FACTS, table_of
from ganforge_coordinator import amnesty, gang, ledger
from ganforge_coordinator.db.models import attempt_members, attempts, jobs
from ganforge_coordinator.job import Trigger

REAPED_AT_ONCE = 100

STALL_LEAST_MS = 300_000
STALL_ITERATIONS = 20
STALL_FIRST_MS = 1_800_000
"""An attempt is stalled when 20 iterations' time, at least 5 minutes, brings not one; before its
first it may take 30 minutes, to fetch a dataset or to compile. A job's own ``stall_ms`` goes
before the first two, and makes the third longer."""


@dataclass(frozen=True)
class Held:
    """A lease that was renewed just now, and its job, locked."""

    job: RowMapping
    next_seq: int


def guard(
    connection: Connection, attempt_id: str, rank: int, *, iteration: int = 0, waiting: bool = False
) -> int:
    """Renew a lease that still lives; nothing may be written for one that does not.

    It lives for the job's ``lease_ttl_ms`` again. One statement both checks and renews, so
    nothing can come between; it stands in the transaction of the effect it allows.

    Args:
        connection: the transaction in hand.
        attempt_id: whose lease it is.
        rank: the member's.
        iteration: iterations the member has done, as far as is known.
        waiting: whether the member waits for something else than its trainer.

    Returns:
        The number of the member's next progress push.

    Raises:
        LeaseLost: the lease ran out, was ended, or never was.
    """
    renewed = renew_all(connection, [fact_of(attempt_id, rank, iteration, waiting)])
    if not renewed:
        raise gone()
    return int(renewed[attempt_id, rank].next_seq)


def gone() -> LeaseLost:
    """Say that a lease ran out, was ended, or never was."""
    return LeaseLost("the lease on this job is gone: stop, drop this attempt, claim anew")


Fact = dict[str, Any]
"""What a member says of itself with a write: a row of ``renew_all``."""


def fact_of(
    attempt_id: str, rank: int, iteration: int, waiting: bool = False, *, seq: int | None = None
) -> Fact:
    """Say what a member's write tells of it; ``seq`` is the number of a push."""
    return {
        "attempt": attempt_id,
        "of_rank": rank,
        "done": iteration,
        "is_waiting": waiting,
        "seq": seq,
    }


def renew_all(connection: Connection, facts: Sequence[Fact]) -> dict[tuple[str, int], Row[Any]]:
    """Renew each lease that still lives, as ``guard`` does, and count each push that is the next.

    Args:
        connection: the transaction in hand.
        facts: what ``fact_of`` gives, at most one of each member.

    Returns:
        By attempt and rank those that were renewed; a lease that is gone is not among them, nor
        one whose push is not the next.
    """
    rows = connection.execute(_renewal(connection.dialect.name), {FACTS: facts})
    return {(row.attempt_id, row.rank): row for row in rows}


@functools.cache  # saying it costs ten times as much as executing it
def _renewal(dialect: str) -> ReturningUpdate[Any]:
    """Say the guard; it also notes how far a member is, and when it last was farther than before.

    Every learner's write begins with it.
    """
    columns = {"attempt": String, "of_rank": Integer, "done": BigInteger}
    fact = table_of(dialect, {**columns, "is_waiting": Boolean, "seq": BigInteger}).c
    member = attempt_members.c
    of_attempt = attempts.c.job_id == jobs.c.id
    lease_ms = (
        select(jobs.c.lease_ttl_ms)
        .join(attempts, of_attempt)
        .where(attempts.c.id == member.attempt_id)
        .scalar_subquery()
    )
    is_farther = member.iteration < fact.done
    return (
        update(attempt_members)
        .where(
            member.attempt_id == fact.attempt,
            member.rank == fact.of_rank,
            member.next_seq == func.coalesce(fact.seq, member.next_seq),
            member.active,
            member.lease_until_ms > amnesty.counted_ms(),
        )
        .values(
            # Never earlier than it was: PostgreSQL judges a statement that waited for an amnesty
            # by the mark before it, but by the row after it.
            lease_until_ms=later(member.lease_until_ms, amnesty.counted_ms() + lease_ms),
            next_seq=func.coalesce(fact.seq + 1, member.next_seq),
            iteration=case((is_farther, fact.done), else_=member.iteration),
            advanced_ms=case(
                (or_(fact.is_waiting, is_farther), now_ms()), else_=member.advanced_ms
            ),
            acked_ms=func.coalesce(member.acked_ms, now_ms()),
        )
        .returning(member.attempt_id, member.rank, member.next_seq, member.started)
    )


def hold(connection: Connection, attempt_id: str, rank: int, *, iteration: int = 0) -> Held:
    """Lock an attempt's job, then guard.

    Raises:
        LeaseLost: as ``guard``.
    """
    job = ledger.lock_of_attempt(connection, attempt_id)
    seq = guard(connection, attempt_id, rank, iteration=iteration)
    assert job is not None  # the guard has found the attempt
    return Held(job, seq)


def lead(connection: Connection, attempt_id: str, rank: int) -> Held:
    """Hold, for what the first of several learners alone may do.

    Raises:
        LeaseLost: as ``guard``.
        Conflict: it is another one.
    """
    held = hold(connection, attempt_id, rank)
    if rank != 0:
        raise Conflict(
            f"only rank 0 commits snapshots and ends the attempt: rank {rank} leaves that to it"
        )
    return held


def reap(connection: Connection) -> list[str]:
    """Take back leases that ran out, and give the ids of their jobs.

    Every coordinator does so; jobs that another one has locked are left to it.
    """
    expired = (
        select(attempts.c.job_id)
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .where(attempt_members.c.active, _has_run_out())
        .limit(REAPED_AT_ONCE)
    )
    ids = connection.execute(expired).scalars().all()
    locked = select(jobs).where(jobs.c.id.in_(ids)).with_for_update(skip_locked=True)
    rows = connection.execute(locked).mappings().all()
    return [row["id"] for row in rows if _take_back(connection, row)]


def _has_run_out() -> ColumnElement[bool]:
    return attempt_members.c.lease_until_ms <= amnesty.counted_ms()


def _take_back(connection: Connection, job: RowMapping) -> bool:
    """Fence the members whose lease ran out; a heartbeat that came first wins."""
    fenced = connection.execute(
        update(attempt_members)
        .where(
            attempt_members.c.attempt_id == job["attempt_id"],
            attempt_members.c.active,
            _has_run_out(),
        )
        .values(active=False)
        .returning(attempt_members.c.acked_ms)
    ).all()
    if not fenced:
        return False
    heard = all(acked is not None for (acked,) in fenced)
    trigger = Trigger.LOST if heard else Trigger.UNACKNOWLEDGED
    is_gang = job["target_count"] > 1 and not heard
    delay = gang.back_off_ms(connection, job) if is_gang else 0
    ledger.apply(connection, job, trigger, delay_ms=delay)
    return True


def end_stalled(connection: Connection) -> list[str]:
    """End attempts that are alive and get nowhere, and give the ids of their jobs.

    A heartbeat tells that a learner lives, not that its trainer does: a trainer that hangs would
    be kept for ever.
    """
    stalled = (
        select(attempts.c.job_id)
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .join(jobs, jobs.c.attempt_id == attempts.c.id)
        .where(attempt_members.c.active, _is_stalled())
        .limit(REAPED_AT_ONCE)
    )
    ids = connection.execute(stalled).scalars().all()
    locked = select(jobs).where(jobs.c.id.in_(ids)).with_for_update(skip_locked=True)
    rows = connection.execute(locked).mappings().all()
    return [row["id"] for row in rows if _end_if_stalled(connection, row)]


def _is_stalled() -> ColumnElement[bool]:
    rate = func.nullif(jobs.c.iterations_per_second, 0.0)
    slow = rate < 1000 * STALL_ITERATIONS / STALL_LEAST_MS
    usual = case((slow, 1000 * STALL_ITERATIONS / rate), else_=STALL_LEAST_MS)
    own = func.coalesce(jobs.c.stall_ms, usual)
    first = case((jobs.c.stall_ms > STALL_FIRST_MS, jobs.c.stall_ms), else_=STALL_FIRST_MS)
    has_begun = attempt_members.c.iteration > attempts.c.resume_iteration
    return (
        attempt_members.c.advanced_ms + case((has_begun, own), else_=first) < amnesty.counted_ms()
    )


def _end_if_stalled(connection: Connection, job: RowMapping) -> bool:
    """End an attempt unless it has advanced until its lock was had."""
    still = (
        select(attempts.c.id)
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .join(jobs, jobs.c.attempt_id == attempts.c.id)
        .where(jobs.c.id == job["id"], attempt_members.c.active, _is_stalled())
    )
    if connection.execute(still).first() is None:
        return False
    ledger.apply(connection, job, Trigger.STALLED)
    return True
