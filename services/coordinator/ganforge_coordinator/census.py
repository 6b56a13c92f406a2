"""What ``/metrics`` counts in the coordinator's database, the same at every coordinator."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from sqlalchemy import Column, Connection, func, select

from ganforge.wire.jobs import JobState
from ganforge_chassis.clock import now_ms
from ganforge_coordinator.db.models import attempt_members, attempts, jobs, learners
from ganforge_coordinator.roster import ALIVE_MS


def count(connection: Connection) -> Iterable[Metric]:
    """Count jobs, attempts and learners."""
    states = GaugeMetricFamily("ganforge_jobs", "Jobs in each state", labels=("state",))
    by_state = _by(connection, jobs.c.state)
    for state in JobState:
        states.add_metric((state,), by_state.get(state, 0))
    outcomes = CounterMetricFamily(
        "ganforge_attempts", "Attempts by how they ended", labels=("outcome",)
    )
    ended = _by(connection, attempts.c.state)
    for outcome in ("SUCCEEDED", "FAILED", "RELEASED", "LOST"):
        outcomes.add_metric((outcome,), ended.get(outcome, 0))
    return (states, outcomes, *_learners(connection))


def _learners(connection: Connection) -> Iterable[Metric]:
    alive = select(func.count()).where(
        learners.c.is_current, learners.c.last_seen_ms > now_ms() - ALIVE_MS
    )
    silent = (
        select(func.max(now_ms() - learners.c.last_seen_ms))
        .join(attempt_members, attempt_members.c.learner_id == learners.c.id)
        .where(attempt_members.c.active)
    )
    yield GaugeMetricFamily(
        "ganforge_learners_alive",
        "Learners heard of lately",
        connection.execute(alive).scalar_one(),
    )
    yield GaugeMetricFamily(
        "ganforge_heartbeat_age_seconds",
        "Since the most silent of those that hold a lease was heard of, give or take 5; else 0",
        max(0, connection.execute(silent).scalar_one() or 0) / 1000,
    )


def _by(connection: Connection, column: Column[Any]) -> dict[str, int]:
    rows = connection.execute(select(column, func.count()).group_by(column))
    return {str(value): int(count) for value, count in rows}
