"""Lease amnesty: time that no coordinator counted counts against nobody.

A coordinator that runs marks the time once a second. When the mark is old (no coordinator ran, its
database was away, the host slept, the clock jumped ahead) or lies ahead (the clock jumped back),
learners could not renew their leases, or nobody can say whether they did: every lease that lived
at the mark begins anew. Nothing depends on it but patience: what protects the work is the epoch.
"""

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    case,
    literal,
    or_,
    select,
    update,
)

from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import now
from ganforge_coordinator.db.models import attempt_members, attempts, coordinator, jobs

GAP_MS = 5_000
"""A mark farther than this from the time, either way, is an amnesty's reason."""

EXPIRED_MS = 0
"""The end of a lease that had ended before the mark, whatever the clock says now."""


def counted_ms() -> ColumnElement[int]:
    """Give the time by which a lease is judged: it stands still while nobody counts it.

    A lease is also given and renewed by it: one that was renewed after the clock went back, and
    before the next mark, would else end before the mark and be taken for expired.
    """
    mark = select(coordinator.c.alive_ms).scalar_subquery()
    return case((and_(now_ms() >= mark, now_ms() <= mark + GAP_MS), now_ms()), else_=mark)


def mark_time(connection: Connection) -> int:
    """Mark the time; after a gap, let every lease that lived at the last mark begin anew.

    Returns:
        The milliseconds between mark and time when there was a gap, else 0, as at the very first
        mark; negative when the clock went back.
    """
    mark = connection.execute(select(coordinator.c.alive_ms).with_for_update()).scalar_one()
    time = now(connection)  # after the lock, for which it may have waited
    connection.execute(update(coordinator).values(alive_ms=time))
    gap = time - int(mark)
    if abs(gap) <= GAP_MS:
        return 0
    _renew_all(connection, int(mark), time)
    return gap if mark else 0


def _renew_all(connection: Connection, mark: int, time: int) -> None:
    lease_ms = (
        select(jobs.c.lease_ttl_ms)
        .join(attempts, attempts.c.job_id == jobs.c.id)
        .where(attempts.c.id == attempt_members.c.attempt_id)
        .scalar_subquery()
    )
    # The jobs before the members, and one by one, as the reaper does. Writes of many learners that
    # share a transaction may still come the other way; of those two the one that fails is repeated.
    resting = (jobs.c.state == "QUEUED") & (jobs.c.run_after_ms > time)
    changing = select(jobs.c.id).where(or_(jobs.c.attempt_id.is_not(None), resting))
    connection.execute(changing.order_by(jobs.c.id).with_for_update()).all()
    lived = attempt_members.c.lease_until_ms > mark
    connection.execute(
        update(attempt_members)
        .where(attempt_members.c.active)
        .values(
            lease_until_ms=case((lived, literal(time, BigInteger) + lease_ms), else_=EXPIRED_MS),
            advanced_ms=time,
        )
    )
    # A clock that went back would let a resting job rest for as long again.
    connection.execute(update(jobs).where(resting).values(run_after_ms=time))
