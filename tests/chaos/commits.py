"""What a coordinator's database holds in the end, in the order it was committed.

A job's numbers are taken under its lock, so they are the order in which its effects were
committed; that makes the check of a history a walk instead of a search.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from ganforge_chassis.database import Database
from ganforge_coordinator.db.models import (
    attempt_members,
    attempts,
    job_events,
    jobs,
    learners,
    progress_chunks,
    snapshot_notes,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect on a job: an event, or a chunk of progress."""

    number: int  # job_seq
    epoch: int
    type: str  # the event's; "chunk" for progress
    state: str = ""  # of the job after it, where the event tells
    rank: int = 0
    seq: int = 0
    write: int = 0  # the first iteration of a chunk, the iteration of a snapshot


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as it was kept."""

    id: str
    job: str
    epoch: int
    state: str
    started: bool
    resume_write: int
    outcome_write: int | None  # None: nobody completed it
    holders: tuple[tuple[int, str], ...]  # (rank, learner)


@dataclass
class Ledger:
    """All that was kept."""

    entries: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    last_numbers: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    notes: set[tuple[str, int, int]] = field(default_factory=set)  # (job, epoch, write)


def read_ledger(database: Database) -> Ledger:
    """Read everything, in one transaction."""
    ledger = Ledger()
    with database.read() as connection:
        for row in connection.execute(select(jobs.c.id, jobs.c.last_seq)):
            ledger.last_numbers[row.id] = row.last_seq
        _read_attempts(connection, ledger)
        _read_entries(connection, ledger)
        for row in connection.execute(select(snapshot_notes)):
            ledger.notes.add((row.job_id, row.epoch, row.iteration))
    for entries in ledger.entries.values():
        entries.sort(key=lambda entry: entry.number)
    return ledger


def _read_attempts(connection: Connection, ledger: Ledger) -> None:
    holders = defaultdict(list)
    held = select(attempt_members, learners.c.name).join(learners)
    for row in connection.execute(held):
        holders[row.attempt_id].append((row.rank, row.name))
    for row in connection.execute(select(attempts)):
        ledger.attempts[row.id] = Attempt(
            id=row.id,
            job=row.job_id,
            epoch=row.epoch,
            state=row.state,
            started=row.started,
            resume_write=row.resume_iteration,
            outcome_write=None if row.outcome is None else row.outcome["iteration"],
            holders=tuple(sorted(holders[row.id])),
        )


def _read_entries(connection: Connection, ledger: Ledger) -> None:
    for row in connection.execute(select(job_events)):
        ledger.entries[row.job_id].append(
            Entry(
                number=row.job_seq,
                epoch=row.epoch,
                type=row.type,
                state=row.data.get("state", ""),
                write=row.data.get("iteration", 0),
            )
        )
    chunk = progress_chunks.c
    for row in connection.execute(
        select(chunk.job_id, chunk.job_seq, chunk.epoch, chunk.rank, chunk.seq, chunk.first)
    ):
        ledger.entries[row.job_id].append(
            Entry(row.job_seq, row.epoch, "chunk", rank=row.rank, seq=row.seq, write=row.first)
        )
