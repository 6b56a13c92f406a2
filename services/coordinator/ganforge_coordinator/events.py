"""The events of a job, in order and without gaps, for those who follow it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, RowMapping, select

from ganforge.wire.jobs import JobEvent
from ganforge_chassis.database import now
from ganforge_coordinator import columns, history
from ganforge_coordinator.db.models import job_events, progress_chunks, series_schemas

COLLAPSE = "collapse"
"""The type of the event that a generator has collapsed."""

RETIRED = "retired"
"""The type of the event that tells of events that were kept long enough and are gone."""

BATCH = 50
POINTS_PER_EVENT = 60


def after(connection: Connection, job_id: str, seq: int, *, until: int) -> list[JobEvent]:
    """Give the next events after number ``seq``, oldest first; some ``BATCH`` of them.

    Numbers without an event are those of events that were retired: where some are left out, an
    event under the last of them says so.

    Args:
        connection: the transaction in hand.
        job_id: the job.
        seq: the last number known.
        until: the job's ``last_seq``, read before: all up to it is there, whereas what is
            committed between the two queries below may be seen by the second alone.
    """
    told = (
        select(job_events)
        .where(job_events.c.job_id == job_id, job_events.c.job_seq.between(seq + 1, until))
        .order_by(job_events.c.job_seq)
        .limit(BATCH)
    )
    chunks = (
        select(progress_chunks, series_schemas.c.names)
        .join(series_schemas)
        .where(
            progress_chunks.c.job_id == job_id,
            progress_chunks.c.job_seq.between(seq + 1, until),
        )
        .order_by(progress_chunks.c.job_seq)
        .limit(BATCH)
    )
    found = [_told(row) for row in connection.execute(told).mappings()]
    found += [_progress(row) for row in connection.execute(chunks).mappings()]
    # Of both tables the first BATCH come, so the first BATCH of both together are complete.
    few = sorted(found, key=lambda event: event.id)[:BATCH]
    whole = list(_gaps_told(few, job_id, seq))
    last = few[-1].id if few else seq
    if len(few) < BATCH and last < until:
        whole.append(_retired(job_id, last + 1, until, at=instant(now(connection)), epoch=0))
    return whole


def _gaps_told(found: list[JobEvent], job_id: str, seq: int) -> Iterator[JobEvent]:
    for event in found:
        if event.id > seq + 1:
            yield _retired(job_id, seq + 1, event.id - 1, at=event.at, epoch=event.epoch)
        yield event
        seq = event.id


def _retired(job_id: str, first: int, last: int, *, at: datetime, epoch: int) -> JobEvent:
    detail = f"events {first} to {last} were kept long enough: what goes on is told from here"
    data: dict[str, Any] = {"first": first, "last": last, "detail": detail}
    return JobEvent(id=last, job=job_id, type=RETIRED, at=at, epoch=epoch, data=data)


def _told(row: RowMapping) -> JobEvent:
    return JobEvent(
        id=row["job_seq"],
        job=row["job_id"],
        type=row["type"],
        at=instant(row["at_ms"]),
        epoch=row["epoch"],
        data=row["data"],
    )


def _progress(row: RowMapping) -> JobEvent:
    first, step, count = (np.array([row[name]]) for name in ("first", "step", "count"))
    points = columns.unpack([row["body"]], row["names"], first, step, count)
    few = columns.downsample([points], POINTS_PER_EVENT)
    data: dict[str, Any] = history.as_series(few, len(points)).model_dump(mode="json")
    return JobEvent(
        id=row["job_seq"],
        job=row["job_id"],
        type="progress",
        at=instant(row["received_ms"]),
        epoch=row["epoch"],
        data=data,
    )


def instant(milliseconds: int) -> datetime:
    """Say milliseconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
