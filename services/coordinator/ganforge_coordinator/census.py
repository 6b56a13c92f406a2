"""The coordinator's own numbers for ``/metrics``, counted when they are asked for."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Column, Connection, func, select

from ganforge.wire.jobs import JobState
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database
from ganforge_coordinator.db.models import attempts, jobs, learners
from ganforge_coordinator.roster import ALIVE_MS


class Census(Collector):
    """Counts jobs, learners and attempts in the database, so every coordinator tells the same.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Metric]:
        """Tell nothing before it is asked: the database may not be up yet."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Count."""
        with self._database.read() as connection:
            by_state = _count(connection, jobs.c.state)
            ended = _count(connection, attempts.c.state)
            alive = connection.execute(
                select(func.count()).where(
                    learners.c.is_current, learners.c.last_seen_ms > now_ms() - ALIVE_MS
                )
            ).scalar_one()
        states = GaugeMetricFamily("ganforge_jobs", "Jobs in each state", labels=("state",))
        for state in JobState:
            states.add_metric((state,), by_state.get(state, 0))
        outcomes = CounterMetricFamily(
            "ganforge_attempts", "Attempts by how they ended", labels=("outcome",)
        )
        for outcome in ("SUCCEEDED", "FAILED", "RELEASED", "LOST"):
            outcomes.add_metric((outcome,), ended.get(outcome, 0))
        heard = GaugeMetricFamily("ganforge_learners_alive", "Learners heard of lately", alive)
        return (states, outcomes, heard)


def _count(connection: Connection, column: Column[Any]) -> dict[str, int]:
    rows = connection.execute(select(column, func.count()).group_by(column))
    return {str(value): int(count) for value, count in rows}
