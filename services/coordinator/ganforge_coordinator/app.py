"""The coordinator's wiring."""

from fastapi import FastAPI

from ganforge._transport import Transport
from ganforge.repository import RepositoryClient
from ganforge_chassis import application, description, migrations
from ganforge_chassis.database import Database
from ganforge_coordinator import census, dispatch, token_book
from ganforge_coordinator.api import (
    attempts,
    catalog,
    events,
    jobs,
    learners,
    pages,
    progress,
    samples,
    session,
    tokens,
)
from ganforge_coordinator.api.deps import Service
from ganforge_coordinator.api.description import DESCRIPTION
from ganforge_coordinator.janitor import Janitor
from ganforge_coordinator.reaper import Reaper
from ganforge_coordinator.settings import CoordinatorSettings
from ganforge_coordinator.watch import Watch
from ganforge_coordinator.web.assets import Assets

REPOSITORY_TIMEOUT_SECONDS = 3.0
MAX_BODY_BYTES = 8 << 20
"""Twice what the largest push of progress takes."""


def create_app(settings: CoordinatorSettings) -> FastAPI:
    """Make a coordinator; its database is brought up to date first.

    Raises:
        ServerFailed: the database has a schema that this server does not know or may not upgrade.
    """
    database = _open(settings)
    transport = _repository_transport(settings)
    repository = None if transport is None else RepositoryClient(transport)
    known = settings.known_tokens(token_book.lookup(database))
    service = Service(settings, database, known, repository)
    reaper = Reaper(database, service.signals, tally=service.tally, seconds=settings.reap_seconds)
    watch = Watch(database, service.signals)
    janitor = Janitor(database, settings.keeping, seconds=settings.retire_seconds)
    threads = (reaper, watch, janitor)

    def start() -> None:
        service.writer.start()
        for thread in threads:
            thread.start()

    def stop() -> None:
        for thread in threads:
            thread.stop()
        service.stopping.set()
        service.signals.notify_all()

    def end() -> None:
        for thread in threads:
            thread.join()
        service.writer.close()
        if transport is not None:
            transport.close()

    app = application.create(
        "ganforge coordinator",
        description="Accepts learn jobs, leases them to learners, keeps every LearnProgress.",
        database=database,
        tokens=known,
        start=start,
        stop=stop,
        end=end,
        max_body_bytes=MAX_BODY_BYTES,
        checks={
            "schema": lambda: migrations.complaint(database, settings.package),
            "reaper": reaper.complaint,
        },
        census=census.count,
    )
    app.state.service = service
    app.state.metrics.register(service.tally)
    app.state.metrics.register(janitor.retired)
    # Attempts first: they are asked most. Events and progress before jobs: all live below
    # /v1/jobs/{id}.
    apis = (attempts, learners, events, progress, jobs, catalog, tokens, session, samples, pages)
    for api in apis:
        app.include_router(api.router)
    description.install(app, DESCRIPTION)
    app.mount("/static", Assets())
    return app


def _open(settings: CoordinatorSettings) -> Database:
    """Open the database, its schema up to date and the floor of the epochs raised."""
    database = settings.open_database()
    try:
        migrations.prepare(database, settings.package, settings.upgrade)
        with database.write() as connection:
            dispatch.raise_boot_floor(connection)
    except Exception:
        database.close()
        raise
    return database


def _repository_transport(settings: CoordinatorSettings) -> Transport | None:
    if settings.repository_url is None:
        return None
    return Transport(
        settings.repository_url,
        settings.repository_token,
        timeout_s=REPOSITORY_TIMEOUT_SECONDS,
        retries=0,
    )
