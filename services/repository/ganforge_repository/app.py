"""The repository as an app: everything is wired here and nowhere else."""

import logging

from fastapi import FastAPI

from ganforge_chassis import application, description, migrations
from ganforge_chassis.database import Database
from ganforge_repository import introspection, networks
from ganforge_repository.api import blobs, snapshots, tags, versions
from ganforge_repository.api import networks as networks_api
from ganforge_repository.api.description import DESCRIPTION
from ganforge_repository.blob_store import DatabaseStore
from ganforge_repository.settings import RepositorySettings

logger = logging.getLogger(__name__)


def create_app(settings: RepositorySettings) -> FastAPI:
    """Make the repository; brings its schema up to date and seeds the built-in networks.

    Raises:
        ServerFailed: the database has a schema that this server does not know or may not upgrade.
    """
    database = _open(settings)
    store = DatabaseStore(database)
    if ruins := store.sweep():
        logger.info("uploads that broke off were swept away", extra={"count": ruins})
    url = settings.coordinator_url
    coordinator = None if url is None else introspection.transport(url)
    app = application.create(
        "ganforge repository",
        description="Networks, tags, immutable versions of weights, and snapshots of jobs.",
        database=database,
        tokens=settings.known_tokens(introspection.lookup(coordinator) if coordinator else None),
        end=coordinator.close if coordinator else lambda: None,
        checks={"schema": lambda: migrations.complaint(database, settings.package)},
    )
    app.state.store = store
    app.state.max_blob_bytes = settings.max_blob_bytes
    for module in (networks_api, tags, versions, blobs, snapshots):
        app.include_router(module.router)
    description.install(app, DESCRIPTION)
    return app


def _open(settings: RepositorySettings) -> Database:
    """Open the database, its schema up to date and the built-in networks in it."""
    database = settings.open_database()
    try:
        migrations.prepare(database, settings.package, settings.upgrade)
        with database.write() as connection:
            networks.seed(connection)
    except Exception:
        database.close()
        raise
    return database
