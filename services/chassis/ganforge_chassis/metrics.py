"""``/metrics``: what a process has counted, and what its database holds when it is asked."""

import logging
from collections.abc import Callable, Iterable

import anyio
from anyio.to_thread import run_sync
from fastapi import FastAPI, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Metric,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.samples import Sample
from sqlalchemy import Connection

from ganforge.errors import GanforgeError, LeaseLost, StaleEpoch
from ganforge_chassis import problems
from ganforge_chassis.database import Database

logger = logging.getLogger(__name__)

CENSUS_SECONDS = 5.0
"""How long the database may take to count; Prometheus itself waits 10 s for the whole answer."""

Census = Callable[[Connection], Iterable[Metric]]
"""Counts in the database; called in a thread."""


def count_nothing(connection: Connection) -> Iterable[Metric]:
    """Be the census of a service whose database holds nothing to count."""
    connection.exec_driver_sql("SELECT 1")
    return ()


def count_fenced(app: FastAPI) -> None:
    """Count the writes that are refused since their lease or epoch is over."""
    fenced = Counter(
        "ganforge_fenced_requests",
        "Writes refused since the lease or the epoch they came with is over",
        ("op",),
        registry=app.state.metrics,
    )

    @app.exception_handler(LeaseLost)
    @app.exception_handler(StaleEpoch)
    def refuse(request: Request, error: GanforgeError) -> Response:
        route = request.scope.get("route")
        fenced.labels(getattr(route, "operation_id", None) or "none").inc()
        return problems.answer(error)


async def answer(*apps: FastAPI) -> Response:
    """Tell the numbers of one service, or of several that share an origin.

    A database that is away costs its own numbers alone, and ``ganforge_database_up`` is 0.
    """
    families: dict[str, Metric] = {}
    for app in apps:
        for family in (*app.state.metrics.collect(), *await _counted(app)):
            known = families.setdefault(family.name, family)
            if known is not family:
                known.samples = _added([*known.samples, *family.samples])
    return Response(generate_latest(_Told(families.values())), media_type=CONTENT_TYPE_LATEST)


async def _counted(app: FastAPI) -> Iterable[Metric]:
    up = GaugeMetricFamily(
        "ganforge_database_up", "Whether the service's database answers", labels=("service",)
    )
    found: list[Metric] | None = None
    with anyio.move_on_after(CENSUS_SECONDS):
        # A database that hangs keeps the thread, not the answer.
        found = await run_sync(_count, app.state.database, app.state.census, abandon_on_cancel=True)
    up.add_metric((app.title.removeprefix("ganforge "),), 0 if found is None else 1)
    return (up, *(found or ()))


def _count(database: Database, census: Census) -> list[Metric] | None:
    try:
        with database.read() as connection:
            return list(census(connection))
    except Exception:
        logger.warning("the database could not be counted: check that it runs", exc_info=True)
        return None


def _added(samples: Iterable[Sample]) -> list[Sample]:
    """Add up what is told twice under one name and the same labels."""
    totals: dict[tuple[str, frozenset[tuple[str, str]]], Sample] = {}
    for sample in samples:
        key = (sample.name, frozenset(sample.labels.items()))
        if (known := totals.get(key)) is not None:
            is_time = sample.name.endswith("_created")
            both = (known.value, sample.value)
            sample = sample._replace(value=min(both) if is_time else sum(both))
        totals[key] = sample
    return list(totals.values())


class _Told(CollectorRegistry):
    """Families that were collected already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
