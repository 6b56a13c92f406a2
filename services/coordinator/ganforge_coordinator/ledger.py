"""The ledger of a job: its row locked, moved on by triggers, its events numbered without gaps."""

from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, insert, select, update

from ganforge.errors import NotFound
from ganforge.wire.jobs import Desired, JobError, JobState
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import now
from ganforge_coordinator.db.models import attempt_members, attempts, job_events, jobs
from ganforge_coordinator.job import ATTEMPT_ENDS, JobStatus, Trigger, move

JobRow = RowMapping
"""A row of the table ``jobs``, by column name."""

_HELD = (JobState.STARTING, JobState.RUNNING)

# What every write begins with is said once: saying it costs several times as much as doing it.
_JOB = select(jobs).where(jobs.c.id == bindparam("job"))
_LOCKED = _JOB.with_for_update()
_LOCKED_OF_ATTEMPT = (
    select(jobs)
    .join(attempts, attempts.c.job_id == jobs.c.id)
    .where(attempts.c.id == bindparam("attempt"))
    .with_for_update(of=jobs)
)
_NEXT_SEQ = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"))
    .values(last_seq=jobs.c.last_seq + 1)
    .returning(jobs.c.last_seq)
)


def find(connection: Connection, job_id: str) -> RowMapping:
    """Read a job's row.

    Raises:
        NotFound: there is no such job.
    """
    return _one(connection, job_id, _JOB)


def lock(connection: Connection, job_id: str) -> RowMapping:
    """Read a job's row and keep others from changing it until the transaction ends.

    Locks are taken in one order everywhere: the job, then its attempt, then the members.

    Raises:
        NotFound: there is no such job.
    """
    return _one(connection, job_id, _LOCKED)


def _one(connection: Connection, job_id: str, query: Select[Any]) -> RowMapping:
    row = connection.execute(query, {"job": job_id}).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no job {job_id!r}; list those there are")
    return row


def lock_of_attempt(connection: Connection, attempt_id: str) -> RowMapping | None:
    """Lock the job of an attempt; None when there is no such attempt."""
    locked = connection.execute(_LOCKED_OF_ATTEMPT, {"attempt": attempt_id})
    return locked.mappings().one_or_none()


def status_of(row: JobRow) -> JobStatus:
    """Give what a job's next state depends on."""
    return JobStatus(
        state=JobState(row["state"]),
        desired=Desired(row["desired"]),
        reason=row["reason"],
        failures=row["failures"],
        losses=row["losses"],
        max_failures=row["max_failures"],
        max_losses=row["max_losses"],
        has_weights=bool(row["weights"]),
    )


def apply(
    connection: Connection,
    row: JobRow,
    trigger: Trigger,
    *,
    error: JobError | None = None,
    delay_ms: int = 0,
    attempt: tuple[str, int] | None = None,
    **told: Any,
) -> RowMapping:
    """Move a locked job on, end its attempt where the move ends it, and write the event.

    A move that changes nothing writes nothing.

    Args:
        connection: the transaction in hand.
        row: the job, as ``lock`` gave it.
        trigger: what happened.
        error: why, when it failed.
        delay_ms: how long the job rests before it may be claimed again.
        attempt: id and epoch of the attempt that begins, when one does.
        told: further facts for the event's readers.

    Returns:
        The job's row as it is now.

    Raises:
        InvalidState: the job's state does not allow it.
    """
    before = status_of(row)
    after = move(before, trigger)
    if after == before:
        return row
    time = now(connection)
    attempt_id, epoch = attempt or (row["attempt_id"], row["epoch"])
    if before.state in _HELD and after.state not in _HELD:
        _end_attempt(connection, row["attempt_id"], trigger)
    values: dict[str, Any] = {
        "state": after.state,
        "desired": after.desired,
        "reason": after.reason,
        "failures": after.failures,
        "losses": after.losses,
        "updated_ms": time,
        "finished_ms": (row["finished_ms"] or time) if after.state.is_final else None,
        "attempt_id": attempt_id if after.state in _HELD else None,
        "epoch": epoch,
        "run_after_ms": time + delay_ms,
    }
    if error is not None or trigger in (Trigger.RETRY, Trigger.SUCCEEDED):
        values["error"] = error.model_dump(mode="json") if error else None
    changed = update(jobs).where(jobs.c.id == row["id"]).values(values).returning(*jobs.c)
    row = connection.execute(changed).mappings().one()
    facts = {"state": after.state, "desired": after.desired, "reason": after.reason, **told}
    if error is not None:
        facts["error"] = error.model_dump(mode="json")
    append_event(connection, row, "state", facts)
    return row


def append_event(connection: Connection, row: JobRow, kind: str, data: dict[str, Any]) -> int:
    """Write an event of a locked job under its next number, and give the number."""
    seq = next_seq(connection, row["id"])
    event = {
        "job_id": row["id"],
        "job_seq": seq,
        "at_ms": now_ms(),
        "type": kind,
        "epoch": row["epoch"],
        "data": data,
    }
    connection.execute(insert(job_events).values(event))
    return seq


def next_seq(connection: Connection, job_id: str) -> int:
    """Take a job's next number.

    The numbers are taken under the job's lock, so they become visible in order; those of a
    global sequence do not, and a follower would pass over what commits late.
    """
    return int(connection.execute(_NEXT_SEQ, {"job": job_id}).scalar_one())


def _end_attempt(connection: Connection, attempt_id: str, trigger: Trigger) -> None:
    connection.execute(
        update(attempts)
        .where(attempts.c.id == attempt_id, attempts.c.state == "ACTIVE")
        .values(state=ATTEMPT_ENDS[trigger], ended_ms=now_ms(), end_reason=str(trigger))
    )
    connection.execute(
        update(attempt_members)
        .where(attempt_members.c.attempt_id == attempt_id)
        .values(active=False)
    )
