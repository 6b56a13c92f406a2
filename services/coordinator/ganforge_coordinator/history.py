"""The points of a job that count, as they were at one moment, read as columns."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, bindparam, func, select

import ganforge
from ganforge.errors import Conflict
from ganforge.wire.jobs import ProgressSeries
from ganforge_chassis.database import BINARY, Database
from ganforge_coordinator import columns
from ganforge_coordinator.columns import Columns
from ganforge_coordinator.db.models import attempts, progress_chunks, series_schemas
from ganforge_coordinator.progress import MAX_ITERATION

STREAMED_CHUNKS = 64
"""How many chunks are in memory while all of a history is streamed."""

READ_CHUNKS = 500
"""How many chunks are unpacked at once for a chart: so few that they fit a processor's cache."""


CHUNK = ("job_seq", "epoch", "first", "step", "count", "series_digest", "body")
"""The columns of a chunk that ``unpacked`` needs, in this order."""
_EPOCH, _SERIES = CHUNK.index("epoch"), CHUNK.index("series_digest")


@dataclass(frozen=True)
class History:
    """Which of a job's points count; fixed at one moment, however much is pushed meanwhile.

    Points that a later attempt went back behind are left out: they belong to a past that was not
    kept. They stay stored.
    """

    job_id: str
    since: int
    """The number among the job's events of its first chunk; 0 when there is none."""
    until: int
    """And of its last chunk."""
    ends: Mapping[int, int | None]
    """For each epoch the iteration from which a later one took over."""
    state: tuple[int, str | None]
    """How many chunks there are, and the series of the last: thinning out changes one or other."""

    def etag(self, *asked: object) -> str:
        """Name what is told when this history is asked for ``asked``, without reading it.

        Chunks are only ever added, or thinned out for good. The version stands for how a chart is
        made of them.
        """
        known = self.job_id, self.since, self.until, self.ends, self.state
        parts = (ganforge.__version__, known, asked)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def find(connection: Connection, job_id: str) -> History:
    """Find out which points of a job count now."""
    number = progress_chunks.c.job_seq
    ends = select(func.min(number), func.max(number)).where(progress_chunks.c.job_id == job_id)
    since, until = connection.execute(ends).one()
    between = since or 0, until or 0
    state = _state(connection, job_id, *between)
    return History(job_id, *between, _ends_of_epochs(connection, job_id), state)


def _state(connection: Connection, job_id: str, since: int, until: int) -> tuple[int, str | None]:
    """Tell of the chunks between two numbers what changes when some of them are thinned out."""
    chunk = progress_chunks.c
    within = chunk.job_id == job_id, chunk.job_seq.between(since, until)
    counted = select(func.count()).select_from(progress_chunks).where(*within).scalar_subquery()
    last = select(chunk.series_digest).where(chunk.job_id == job_id, chunk.job_seq == until)
    count, digest = connection.execute(select(counted, last.scalar_subquery())).one()
    return int(count), digest


def _ends_of_epochs(connection: Connection, job_id: str) -> dict[int, int | None]:
    """Tell for each epoch the iteration from which a later one took over.

    An attempt took over where it says it began, or, when it ended before it could say so, where
    its first point is.
    """
    tries = connection.execute(
        select(attempts.c.epoch, attempts.c.started, attempts.c.resume_iteration)
        .where(attempts.c.job_id == job_id)
        .order_by(attempts.c.epoch.desc())
    ).all()
    silent = [epoch for epoch, started, _ in tries if not started]
    first_points = _first_points(connection, job_id, silent)
    ends: dict[int, int | None] = {}
    end: int | None = None
    for epoch, started, resume_iteration in tries:
        ends[epoch] = end
        began = resume_iteration if started else first_points.get(epoch)
        if began is not None:
            end = began if end is None else min(end, began)
    return ends


def _first_points(connection: Connection, job_id: str, epochs: Sequence[int]) -> dict[int, int]:
    query = (
        select(progress_chunks.c.epoch, func.min(progress_chunks.c.first).label("first"))
        .where(
            progress_chunks.c.job_id == job_id,
            progress_chunks.c.epoch.in_(epochs),
            progress_chunks.c.rank == 0,
        )
        .group_by(progress_chunks.c.epoch)
    )
    return {row.epoch: row.first for row in connection.execute(query)} if epochs else {}


def read(
    connection: Connection, history: History, *, first: int = 0, last: int | None = None
) -> list[Columns]:
    """Read the points of iterations ``first`` to ``last``, both included, in parts that follow.

    They are not joined: a long history is copied as seldom as can be.
    """
    wanted = _wanted(history, history.since - 1, first=first, last=last)
    found = connection.execute(_CHUNKS, wanted, execution_options={"yield_per": READ_CHUNKS})
    parts: list[Columns] = []
    for rows in found.partitions():
        parts += _points(connection, rows, history, first=first, last=last)
    return parts


def stream(database: Database, history: History) -> Iterator[Columns]:
    """Read all points, a few chunks at a time, each time in a transaction of its own.

    However slowly they are taken, nothing is held meanwhile: no transaction that keeps SQLite's
    log from being folded in or PostgreSQL's old rows from being swept, and little memory.

    Raises:
        Conflict: it is being thinned out meanwhile: ask again.
    """
    between = history.since, history.until
    after = history.since - 1
    while True:
        with database.read() as connection:
            rows = connection.execute(_NEXT_CHUNKS, _wanted(history, after)).all()
            parts = _points(connection, rows, history)
            # Last, so that it tells of all that was read.
            if _state(connection, history.job_id, *between) != history.state:
                raise Conflict("the progress is being thinned out just now: ask for it again")
        yield from parts
        if len(rows) < STREAMED_CHUNKS:
            return
        after = rows[-1].job_seq


def names(connection: Connection, history: History) -> list[str]:
    """List the series that the chunks have, in the order they came up."""
    came_up = (
        select(
            progress_chunks.c.series_digest, func.min(progress_chunks.c.job_seq).label("job_seq")
        )
        .where(
            progress_chunks.c.job_id == history.job_id,
            progress_chunks.c.rank == 0,
            progress_chunks.c.job_seq <= history.until,
        )
        .group_by(progress_chunks.c.series_digest)
        .subquery()
    )
    rows = connection.execute(
        select(series_schemas.c.names)
        .join(came_up, came_up.c.series_digest == series_schemas.c.digest)
        .order_by(came_up.c.job_seq)
    ).scalars()
    return list(
        dict.fromkeys(name for told in rows for name in told if name is not columns.OFFSETS)
    )


def _chunks() -> Select[Any]:
    """Select the chunks that have any point of the iterations wanted, in order.

    As fencing lets none come late, their numbers are in order.
    """
    chunk = progress_chunks.c
    wanted = (
        chunk.job_id == bindparam("job"),
        chunk.rank == 0,
        chunk.job_seq > bindparam("after"),
        chunk.job_seq <= bindparam("until"),
        chunk.first + chunk.step * (chunk.count - 1) >= bindparam("first"),
        chunk.first <= bindparam("last"),
    )
    found = select(*(chunk[name] for name in CHUNK)).where(*wanted).order_by(chunk.job_seq)
    return found.execution_options(**{BINARY: True})


_CHUNKS = _chunks()
_NEXT_CHUNKS = _CHUNKS.limit(STREAMED_CHUNKS)


def _wanted(
    history: History, after: int, *, first: int = 0, last: int | None = None
) -> dict[str, Any]:
    wanted = {"job": history.job_id, "after": after, "until": history.until, "first": first}
    return {**wanted, "last": MAX_ITERATION if last is None else last}


def _points(
    connection: Connection,
    rows: Sequence[Row[Any]],
    history: History,
    *,
    first: int = 0,
    last: int | None = None,
) -> list[Columns]:
    """Unpack chunks and keep the points that count and are wanted; one part for like chunks."""
    digests = {row[_SERIES] for row in rows}
    known = select(series_schemas.c.digest, series_schemas.c.names).where(
        series_schemas.c.digest.in_(digests)
    )
    named = {row.digest: row.names for row in connection.execute(known)}
    parts = []
    for (digest, epoch), alike in groupby(rows, key=itemgetter(_SERIES, _EPOCH)):
        part = unpacked(list(alike), named[digest])
        wanted = part.iterations >= first
        if last is not None:
            wanted &= part.iterations <= last
        if (end := history.ends[epoch]) is not None:
            wanted &= part.iterations < end
        if wanted.any():
            parts.append(part if wanted.all() else part.take(wanted))
    return parts


def unpacked(rows: Sequence[Row[Any]], names: Sequence[str | None]) -> Columns:
    """Unpack chunks with the same series."""
    _, _, firsts, steps, counts, _, bodies = zip(*rows, strict=True)
    numbers = (np.array(each, dtype=np.int64) for each in (firsts, steps, counts))
    return columns.unpack(bodies, names, *numbers)


def as_series(points: Columns, total: int) -> ProgressSeries:
    """Say columns as they cross the wire."""
    return ProgressSeries(
        iterations=points.iterations.tolist(),
        series={name: columns.as_json(column) for name, column in points.series.items()},
        total=total,
    )
