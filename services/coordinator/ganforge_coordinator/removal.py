"""Removing a job that is over, with all that the coordinator keeps of it."""

from sqlalchemy import Connection, delete, select

from ganforge.errors import InvalidState
from ganforge.wire.jobs import JobState
from ganforge_coordinator.db.models import attempts, jobs, metadata
from ganforge_coordinator.ledger import JobRow


def remove(connection: Connection, row: JobRow) -> None:
    """Remove a locked job; its weights stay at the repository.

    Raises:
        InvalidState: the job is not over.
    """
    if not JobState(row["state"]).is_final:
        raise InvalidState(
            f"the job is {row['state']}: cancel it before you delete it", allowed=["cancel", "stop"]
        )
    tries = select(attempts.c.id).where(attempts.c.job_id == row["id"])
    for table in reversed(metadata.sorted_tables):
        if table is jobs:
            continue
        if "job_id" in table.c:
            connection.execute(delete(table).where(table.c.job_id == row["id"]))
        elif "attempt_id" in table.c:
            connection.execute(delete(table).where(table.c.attempt_id.in_(tries)))
    connection.execute(delete(jobs).where(jobs.c.id == row["id"]))
