"""Jobs and learners as people are told of them."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, select

from ganforge.wire.averages import averaged
from ganforge.wire.jobs import Attempt, Collapse, Job, JobState, SnapshotTold, WeightsLink
from ganforge.wire.learning import Learner
from ganforge_chassis.database import now
from ganforge_coordinator import catalog, fitting, waiting
from ganforge_coordinator.db.models import (
    attempt_members,
    attempts,
    job_events,
    jobs,
    learners,
    snapshot_notes,
)
from ganforge_coordinator.events import COLLAPSE, instant
from ganforge_coordinator.ledger import JobRow
from ganforge_coordinator.roster import ALIVE_MS

TRIES_TOLD = 20
"""So many attempts a job tells of itself; all of them are in their own list."""


def job(connection: Connection, row: JobRow, repository_url: str) -> Job:
    """Tell of one job."""
    return listed(connection, [row], repository_url)[0]


def listing(
    connection: Connection, states: list[JobState], *, before: list[Any] | None, limit: int
) -> Sequence[JobRow]:
    """Find jobs, newest first, from behind the creation time and id in ``before``."""
    wanted: Select[Any] = select(jobs).order_by(jobs.c.created_ms.desc(), jobs.c.id.desc())
    if states:
        wanted = wanted.where(jobs.c.state.in_(states))
    if before is not None:
        time, job_id = before
        wanted = wanted.where(
            (jobs.c.created_ms < time) | ((jobs.c.created_ms == time) & (jobs.c.id < job_id))
        )
    return connection.execute(wanted.limit(limit)).mappings().all()


def listed(connection: Connection, rows: Sequence[JobRow], repository_url: str) -> list[Job]:
    """Tell of several jobs."""
    tries = _attempts(connection, [row["id"] for row in rows])
    fallen = _collapses(connection, [row["id"] for row in rows])
    reasons = waiting.reasons(connection, rows)
    return [
        _job(
            row,
            tries.get(row["id"], []),
            fallen.get(row["id"]),
            reasons.get(row["id"]),
            repository_url,
        )
        for row in rows
    ]


def learner(connection: Connection, learner_id: str) -> Learner:
    """Tell of one learner that is there."""
    (told,) = (told for told in all_learners(connection) if told.id == learner_id)
    return told


def all_learners(connection: Connection) -> list[Learner]:
    """Tell of every learner, the last heard of first."""
    time = now(connection)
    held = (
        select(attempt_members.c.learner_id, attempts.c.job_id)
        .join(attempts, attempts.c.id == attempt_members.c.attempt_id)
        .where(attempt_members.c.active)
    )
    busy: dict[str, str] = {row.learner_id: row.job_id for row in connection.execute(held)}
    rows = connection.execute(
        select(learners).where(learners.c.is_current).order_by(learners.c.last_seen_ms.desc())
    ).mappings()
    return [_learner(row, time, busy.get(row["id"])) for row in rows]


def learners_by_name(connection: Connection, *, after: str | None, limit: int) -> list[Learner]:
    """Tell of the learners whose names come behind ``after``."""
    found = sorted(all_learners(connection), key=lambda learner: learner.name)
    return [learner for learner in found if after is None or learner.name > after][:limit]


def attempts_at(
    connection: Connection, job_id: str, *, before: int | None, limit: int
) -> list[Attempt]:
    """Tell of the attempts at a job, the newest first, from behind the epoch ``before``."""
    few = select(attempts.c.id).where(attempts.c.job_id == job_id).limit(limit)
    if before is not None:
        few = few.where(attempts.c.epoch < before)
    told = _tries(connection, few.order_by(attempts.c.epoch.desc()))
    return [attempt for _, attempt in reversed(told)]


def snapshots_of(
    connection: Connection, job_id: str, *, before: list[int] | None, limit: int
) -> list[SnapshotTold]:
    """Tell of a job's snapshots, the newest first, from behind an epoch and iteration."""
    epoch, iteration = snapshot_notes.c.epoch, snapshot_notes.c.iteration
    wanted = select(snapshot_notes).where(snapshot_notes.c.job_id == job_id)
    if before is not None:
        wanted = wanted.where(
            (epoch < before[0]) | ((epoch == before[0]) & (iteration < before[1]))
        )
    rows = connection.execute(wanted.order_by(epoch.desc(), iteration.desc()).limit(limit))
    return [
        SnapshotTold(
            epoch=row["epoch"],
            iteration=row["iteration"],
            versions=row["versions"],
            noted_at=instant(row["noted_ms"]),
        )
        for row in rows.mappings()
    ]


def _learner(row: RowMapping, time: int, job_id: str | None) -> Learner:
    silent_ms = max(0, time - row["last_seen_ms"])
    return Learner(
        id=row["id"],
        name=row["name"],
        device=row["device"],
        labels=fitting.labels_of(row),
        version=row["version"],
        last_seen_seconds=silent_ms / 1000,
        is_alive=silent_ms < ALIVE_MS,
        state=row["state"],
        job=job_id,
        datasets=[info["name"] for info in catalog.readable(row["datasets"])],
        strategies=[info["name"] for info in row["strategies"]],
    )


def _collapses(connection: Connection, job_ids: list[str]) -> dict[str, Collapse]:
    """Find the last collapse that was seen of each job that has one."""
    rows = connection.execute(
        select(job_events.c.job_id, job_events.c.data)
        .where(job_events.c.job_id.in_(job_ids), job_events.c.type == COLLAPSE)
        .order_by(job_events.c.job_seq)
    )
    return {row.job_id: Collapse.model_validate(row.data) for row in rows}


def _attempts(connection: Connection, job_ids: list[str]) -> dict[str, list[Attempt]]:
    age = func.row_number().over(partition_by=attempts.c.job_id, order_by=attempts.c.epoch.desc())
    ranked = select(attempts.c.id, age.label("age")).where(attempts.c.job_id.in_(job_ids))
    newest = ranked.subquery()
    few = select(newest.c.id).where(newest.c.age <= TRIES_TOLD)
    found: dict[str, list[Attempt]] = {}
    for job_id, attempt in _tries(connection, few):
        found.setdefault(job_id, []).append(attempt)
    return found


def _tries(connection: Connection, chosen: Select[Any]) -> list[tuple[str, Attempt]]:
    """Tell of the attempts of the ``chosen`` ids, each with its job's; the newest last."""
    rows = connection.execute(
        select(attempts, learners.c.name.label("learner"))
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .join(learners, learners.c.id == attempt_members.c.learner_id)
        .where(attempts.c.id.in_(chosen))
        .order_by(attempts.c.epoch, attempts.c.id, attempt_members.c.rank)
    ).mappings()
    grouped = (list(members) for _, members in groupby(rows, key=lambda row: row["id"]))
    return [(told[0]["job_id"], _attempt(told)) for told in grouped]


def _attempt(members: Sequence[RowMapping]) -> Attempt:
    row = members[0]
    return Attempt(
        epoch=row["epoch"],
        state=row["state"],
        learner=row["learner"],
        learners=[member["learner"] for member in members],
        resume_iteration=row["resume_iteration"],
        started_at=instant(row["started_ms"]),
        ended_at=None if row["ended_ms"] is None else instant(row["ended_ms"]),
        end_reason=row["end_reason"],
    )


def _job(
    row: JobRow,
    tries: list[Attempt],
    collapse: Collapse | None,
    waiting_for: str | None,
    repository_url: str,
) -> Job:
    running = row["state"] == JobState.RUNNING
    return Job(
        id=row["id"],
        name=row["name"],
        networks=row["networks"],
        dataset=row["dataset"],
        config=row["config"],
        target_count=row["target_count"],
        target_filter=row["target_filter"],
        priority=row["priority"],
        tag=row["tag"],
        state=row["state"],
        desired=row["desired"],
        reason=row["reason"],
        waiting_for=waiting_for,
        error=row["error"],
        epoch=row["epoch"],
        iteration=row["iteration"],
        max_iterations=row["max_iterations"],
        progress=row["progress"],
        iterations_per_second=row["iterations_per_second"],
        eta_seconds=_eta_seconds(row) if running else None,
        attempts=tries,
        weights=_weights(row, repository_url),
        collapse=collapse,
        created_at=instant(row["created_ms"]),
        updated_at=instant(row["updated_ms"]),
        finished_at=None if row["finished_ms"] is None else instant(row["finished_ms"]),
    )


def _eta_seconds(row: JobRow) -> float | None:
    rate: float | None = row["iterations_per_second"]
    if not rate or row["max_iterations"] is None:
        return None
    return max(0.0, float(row["max_iterations"] - row["iteration"]) / rate)


def _weights(row: JobRow, repository_url: str) -> dict[str, WeightsLink]:
    """Tell of the newest weights: in the job's order, each network before its moving average."""
    order = row["networks"]

    def by_order(stored: tuple[str, Any]) -> tuple[int, str]:
        name = stored[0]
        network = name if name in order else averaged(name)
        return order.index(network) if network in order else len(order), name

    return {
        name: WeightsLink(
            tag=told["tag"],
            version=told["version"],
            url=f"{repository_url}/v1/networks/{name}/tags/{told['tag']}"
            f"/versions/{told['version']}",
        )
        for name, told in sorted(row["weights"].items(), key=by_order)
    }
