"""The coordinator's wiring."""

from fastapi import FastAPI
from ganforge.repository import RepositoryClient

from ganforge._transport import Transport
from ganforge_chassis import application, migrations
from ganforge_chassis.database import Database
from ganforge_coordinator import dispatch
from ganforge_coordinator.api import attempts, catalog, events, jobs
from ganforge_coordinator.api.deps import Service
from ganforge_coordinator.reaper import Reaper
from ganforge_coordinator.settings import CoordinatorSettings

REPOSITORY_TIMEOUT_SECONDS = 3.0


def create_app(settings: CoordinatorSettings) -> FastAPI:
    """Make a coordinator; its database is brought up to date first.

    Raises:
        ServerFailed: the database was written by a newer version of ganforge.
    """
    database = Database(settings.database("coordinator.db"))
    migrations.upgrade(database, "ganforge_coordinator")
    with database.write() as connection:
        dispatch.raise_boot_floor(connection)
    service = Service(settings, database, _repository(settings))
    reaper = Reaper(database, service.signals, seconds=settings.reap_seconds)

    def stop() -> None:
        reaper.stop()
        service.stopping.set()
        service.signals.notify_all()

    app = application.create(
        "ganforge coordinator",
        description="Accepts learn jobs, leases them to learners, keeps every LearnProgress.",
        database=database,
        tokens=settings.known_tokens(),
        start=reaper.start,
        stop=stop,
    )
    app.state.service = service
    # Events before jobs: both live below /v1/jobs/{id}.
    for api in (events, jobs, attempts, catalog):
        app.include_router(api.router)
    return app


def _repository(settings: CoordinatorSettings) -> RepositoryClient | None:
    if settings.repository_url is None:
        return None
    transport = Transport(
        settings.repository_url,
        settings.repository_token,
        timeout_s=REPOSITORY_TIMEOUT_SECONDS,
        retries=0,
    )
    return RepositoryClient(transport)
