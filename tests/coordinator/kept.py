"""What the store keeps of jobs and leases, in the words of the model of it."""

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, select

from ganforge_coordinator.db import models

Facts = dict[str, Any]

_OF_JOB = ["state", "desired", "failures", "losses"]
_OF_JOB += ["epoch", "iteration", "attempt_id", "last_seq"]
_OF_ATTEMPT = ["job_id", "epoch", "state", "active", "started", "next_seq"]
_OF_ATTEMPT += ["iteration", "advanced_ms"]
_OF_MEMBER = ["state", "epoch", "claim_key", "active", "started", "next_seq"]


def jobs(connection: Connection) -> dict[str, Facts]:
    """Read every job, as ``ModelJob.facts`` tells of it."""
    rows = connection.execute(select(models.jobs)).mappings()
    return {row["id"]: _job(row) for row in rows}


def _job(row: Any) -> Facts:
    waits = row["state"] == "QUEUED"
    return {
        **{name: row[name] for name in _OF_JOB},
        "finished": row["finished_ms"] is not None,
        "run_after_ms": row["run_after_ms"] if waits else None,
    }


def attempts(connection: Connection) -> dict[str, Facts]:
    """Read every attempt, as ``Attempt.facts`` tells of it."""
    of_member = models.attempt_members.c
    query = select(
        models.attempts,
        of_member.active,
        of_member.next_seq,
        of_member.acked_ms,
        of_member.lease_until_ms,
        of_member.iteration,
        of_member.advanced_ms,
    ).join(models.attempt_members)
    return {row["id"]: _attempt(row) for row in connection.execute(query).mappings()}


def _attempt(row: Any) -> Facts:
    return {
        **{name: row[name] for name in _OF_ATTEMPT},
        "acknowledged": row["acked_ms"] is not None,
        "lease_until_ms": row["lease_until_ms"] if row["active"] else None,
    }


def effects(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Read every effect on every job, numbered, in the order in which they were committed.

    An event of a state is ``(number, "state", epoch, state)``, a chunk of progress ``(number,
    "chunk", epoch, seq, points)``, a snapshot ``(number, "snapshot", epoch, iteration)``.
    """
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    noted = set()
    for row in connection.execute(select(models.job_events)):
        fact = row.data["state"] if row.type == "state" else row.data["iteration"]
        found[row.job_id].append((row.job_seq, row.type, row.epoch, fact))
        if row.type == "snapshot":
            noted.add((row.job_id, row.epoch, fact))
    for row in connection.execute(select(models.progress_chunks)):
        found[row.job_id].append((row.job_seq, "chunk", row.epoch, row.seq, row.count))
    notes = connection.execute(select(models.snapshot_notes))
    assert noted == {(row.job_id, row.epoch, row.iteration) for row in notes}
    return {job_id: sorted(of_job) for job_id, of_job in found.items()}


def members(connection: Connection) -> dict[tuple[str, int], Facts]:
    """Read every member of every attempt, as ``Gang.facts`` tells of it."""
    of_member = models.attempt_members.c
    columns = [models.attempts.c.state, models.attempts.c.epoch, *of_member]
    query = select(*columns).join(models.attempt_members)
    return {
        (row["attempt_id"], row["rank"]): {
            **{name: row[name] for name in _OF_MEMBER},
            "acknowledged": row["acked_ms"] is not None,
            "lease_until_ms": row["lease_until_ms"] if row["active"] else None,
        }
        for row in connection.execute(query).mappings()
    }
