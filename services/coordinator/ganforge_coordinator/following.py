"""Followers of one job, of several, or of all: what each has been told, and what is news to it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from ganforge.errors import NotFound
from ganforge.wire.jobs import JobEvent, JobState
from ganforge_chassis.database import now
from ganforge_coordinator import events
from ganforge_coordinator.db.models import job_events, jobs, progress_chunks

MARGIN_MS = 30_000
"""How much older than it was seen an event may be: far longer than a transaction takes."""

_FINAL = [str(state) for state in JobState if state.is_final]
_CURSOR = re.compile(r"(?:@(\d{1,15})(?:,|$))?((?:[\w.-]{1,64}:\d{1,15}(?:,|$))*)")


@dataclass(frozen=True)
class Cursor:
    """Up to where a follower has been told; crosses the wire as the id of each event.

    Of a job that is named, all events up to its number were told. Where there is a time, every
    other job's were too, as far as they are older than that.
    """

    seen: Mapping[str, int]
    since_ms: int | None = None

    def __str__(self) -> str:
        since = [] if self.since_ms is None else [f"@{self.since_ms}"]
        return ",".join([*since, *(f"{job}:{seq}" for job, seq in self.seen.items())])


def read_cursor(text: str) -> Cursor | None:
    """Read a cursor; None for what is none."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        return None
    since, named = match.groups()
    pairs = (each.rsplit(":", 1) for each in named.split(",") if each)
    return Cursor({job: int(seq) for job, seq in pairs}, int(since) if since else None)


@dataclass(frozen=True)
class News:
    """A job that has events a follower was not told of, up to one that was there when it looked."""

    job_id: str
    until: int


class Follower:
    """One who follows jobs, and what he has been told.

    Args:
        seen: for each job the last number known.
        since_ms: given where all jobs are followed: of those not in ``seen``, what is older than
            this is known.
        margin_ms: by how much an event may become visible later than its time says.
    """

    def __init__(
        self, seen: Mapping[str, int], since_ms: int | None = None, *, margin_ms: int = MARGIN_MS
    ) -> None:
        self._seen = dict(seen)
        self._since_ms = since_ms
        self._margin_ms = margin_ms
        self._told_ms: dict[str, int] = dict.fromkeys(seen, since_ms or 0)
        self._all_told_ms: int | None = None
        self.is_done = False

    @property
    def cursor(self) -> Cursor:
        """What he has been told; all jobs not named have had no event of late."""
        if self._since_ms is None:
            return Cursor(self._seen)
        since = self._since_ms
        recent = {job: n for job, n in self._seen.items() if self._told_ms.get(job, 0) >= since}
        return Cursor(recent, since)

    def look(self, connection: Connection) -> list[News]:
        """Find the jobs that have news; without any, ``is_done`` tells whether some may come.

        Call it again only when all the news it found were told.

        Raises:
            NotFound: there is no such job.
        """
        # The time first: what is seen afterwards may be as old as the margin, and no older.
        time = now(connection)
        if self._since_ms is not None and self._all_told_ms is not None:
            self._since_ms = max(self._since_ms, self._all_told_ms - self._margin_ms)
        self._all_told_ms = time
        found = select(jobs.c.id, jobs.c.last_seq, jobs.c.state).order_by(jobs.c.id)
        if self._since_ms is None:
            rows = connection.execute(found.where(jobs.c.id.in_(list(self._seen)))).all()
            self._check({row.id for row in rows})
            self.is_done = all(row.state in _FINAL for row in rows)
        else:
            # One that is over may still be edited.
            moving = jobs.c.state.not_in(_FINAL) | (jobs.c.updated_ms >= self._since_ms)
            rows = connection.execute(found.where(moving)).all()
            self._meet(connection, {row.id for row in rows})
        return [News(row.id, row.last_seq) for row in rows if row.last_seq > self._seen[row.id]]

    def after(self, connection: Connection, news: News) -> list[JobEvent]:
        """Give the next events of a job that has news; none when all were told."""
        if self._seen[news.job_id] >= news.until:
            return []
        return events.after(connection, news.job_id, self._seen[news.job_id], until=news.until)

    def tell(self, event: JobEvent) -> None:
        """Note that an event is told."""
        self._seen[event.job] = event.id
        self._told_ms[event.job] = round(event.at.timestamp() * 1000)

    def _check(self, found: set[str]) -> None:
        for job_id in self._seen:
            if job_id not in found:
                raise NotFound(f"there is no job {job_id!r}; list those there are")

    def _meet(self, connection: Connection, moving: set[str]) -> None:
        """Take up jobs that move now, and forget those that do no more."""
        for job_id in self._seen.keys() - moving:
            del self._seen[job_id]
            self._told_ms.pop(job_id, None)
        for job_id in moving - self._seen.keys():
            assert self._since_ms is not None
            self._seen[job_id] = last_before(connection, job_id, self._since_ms)


def last_before(connection: Connection, job_id: str, time_ms: int) -> int:
    """Give the number of a job's last event that is older than a time; 0 when there is none."""
    found = []
    for table, at in ((job_events, "at_ms"), (progress_chunks, "received_ms")):
        newest = (
            select(table.c.job_seq)
            .where(table.c.job_id == job_id, table.c[at] < time_ms)
            .order_by(table.c.job_seq.desc())
            .limit(1)
        )
        found.append(connection.execute(newest).scalar_one_or_none() or 0)
    return max(found)


def follower_of(job_ids: Sequence[str], last_event_id: str | None) -> Follower:
    """Take up one who follows some jobs where he left off; from the beginning when he is new."""
    known = read_cursor(last_event_id or "")
    seen = {} if known is None else known.seen
    return Follower({job_id: seen.get(job_id, 0) for job_id in job_ids})


def follower_of_all(connection: Connection, last_event_id: str | None) -> Follower:
    """Take up one who follows all jobs where he left off; from now on when he is new."""
    known = read_cursor(last_event_id or "")
    if known is not None and known.since_ms is not None:
        return Follower(known.seen, known.since_ms)
    time = now(connection)
    moving = select(jobs.c.id, jobs.c.last_seq).where(jobs.c.state.not_in(_FINAL))
    return Follower({row.id: row.last_seq for row in connection.execute(moving)}, time)
