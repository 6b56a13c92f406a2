"""What learners told of the quality of a job's versions."""

from sqlalchemy import Connection, select

from ganforge.wire.quality import QualityNote
from ganforge_coordinator import lease, ledger
from ganforge_coordinator.db.models import job_events

EVENT = "quality"


def note(connection: Connection, attempt_id: str, note: QualityNote) -> str:
    """Tell of a version's quality as an event, and give the job's id; may be said again.

    Raises:
        LeaseLost: the lease is gone.
        Conflict: another than the first of several learners says so.
    """
    job = lease.lead(connection, attempt_id, note.rank).job
    if note not in told(connection, job["id"]):
        data = note.model_dump(mode="json", by_alias=True)
        ledger.append_event(connection, job, EVENT, data)
    return str(job["id"])


def told(connection: Connection, job_id: str) -> list[QualityNote]:
    """List the versions of a job that were evaluated, in the order they were told of."""
    query = select(job_events.c.data).where(
        job_events.c.job_id == job_id, job_events.c.type == EVENT
    )
    rows = connection.execute(query.order_by(job_events.c.job_seq)).scalars()
    return [QualityNote.model_validate(data) for data in rows]


def best(notes: list[QualityNote]) -> QualityNote | None:
    """Find the version with the lowest distance; None when none was evaluated."""
    return min(notes, key=lambda note: note.quality.fcd, default=None)
