"""Leases: the guard that every learner's write begins with, and what becomes of expired ones."""

from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, func, select, update

from ganforge.errors import LeaseLost
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import ledger
from ganforge_coordinator.db.models import attempt_members, attempts, jobs
from ganforge_coordinator.job import Trigger

REAPED_AT_ONCE = 100


@dataclass(frozen=True)
class Held:
    """A lease that was renewed just now, and its job, locked."""

    job: RowMapping
    next_seq: int


def guard(connection: Connection, attempt_id: str, rank: int) -> int:
    """Renew a lease that still lives; nothing may be written for one that does not.

    It lives for the job's ``lease_ttl_ms`` again. One statement both checks and renews, so
    nothing can come between; it stands in the transaction of the effect it allows.

    Returns:
        The number of the member's next progress push.

    Raises:
        LeaseLost: the lease ran out, was ended, or never was.
    """
    lease_ms = select(jobs.c.lease_ttl_ms).where(jobs.c.attempt_id == attempt_id)
    renewed = connection.execute(
        update(attempt_members)
        .where(
            attempt_members.c.attempt_id == attempt_id,
            attempt_members.c.rank == rank,
            attempt_members.c.active,
            attempt_members.c.lease_until_ms > now_ms(),
        )
        .values(
            lease_until_ms=now_ms() + lease_ms.scalar_subquery(),
            acked_ms=func.coalesce(attempt_members.c.acked_ms, now_ms()),
        )
        .returning(attempt_members.c.next_seq)
    ).scalar_one_or_none()
    if renewed is None:
        raise LeaseLost("the lease on this job is gone: stop, drop this attempt, claim anew")
    return int(renewed)


def hold(connection: Connection, attempt_id: str, rank: int) -> Held:
    """Lock an attempt's job, then guard.

    Raises:
        LeaseLost: as ``guard``.
    """
    job = ledger.lock_of_attempt(connection, attempt_id)
    seq = guard(connection, attempt_id, rank)
    assert job is not None  # the guard has found the attempt
    return Held(job, seq)


def reap(connection: Connection) -> list[str]:
    """Take back leases that ran out, and give the ids of their jobs.

    Every coordinator does so; jobs that another one has locked are left to it.
    """
    expired = (
        select(attempts.c.job_id)
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .where(attempt_members.c.active, attempt_members.c.lease_until_ms <= now_ms())
        .limit(REAPED_AT_ONCE)
    )
    ids = connection.execute(expired).scalars().all()
    locked = select(jobs).where(jobs.c.id.in_(ids)).with_for_update(skip_locked=True)
    rows = connection.execute(locked).mappings().all()
    return [row["id"] for row in rows if _take_back(connection, row)]


def _take_back(connection: Connection, job: RowMapping) -> bool:
    """Fence the members whose lease ran out; a heartbeat that came first wins."""
    fenced = connection.execute(
        update(attempt_members)
        .where(
            attempt_members.c.attempt_id == job["attempt_id"],
            attempt_members.c.active,
            attempt_members.c.lease_until_ms <= now_ms(),
        )
        .values(active=False)
        .returning(attempt_members.c.acked_ms)
    ).all()
    if not fenced:
        return False
    heard = all(acked is not None for (acked,) in fenced)
    ledger.apply(connection, job, Trigger.LOST if heard else Trigger.UNACKNOWLEDGED)
    return True
