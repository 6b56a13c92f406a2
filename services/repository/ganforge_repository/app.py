"""The repository as an app: everything is wired here and nowhere else."""

import logging

from fastapi import FastAPI

from ganforge_chassis import application, migrations
from ganforge_chassis.database import Database
from ganforge_repository import networks
from ganforge_repository.api import blobs, snapshots, tags, versions
from ganforge_repository.api import networks as networks_api
from ganforge_repository.blob_store import DatabaseStore
from ganforge_repository.settings import RepositorySettings

logger = logging.getLogger(__name__)

PAGE_SIZE = 65_536
"""SQLite's page size in bytes: blobs of 1 MiB are written a quarter faster than on 4 KiB pages."""


def create_app(settings: RepositorySettings) -> FastAPI:
    """Make the repository; brings its schema up to date and seeds the built-in networks.

    Raises:
        ServerFailed: the database was written by a newer version of ganforge.
    """
    database = _open(settings)
    store = DatabaseStore(database)
    if ruins := store.sweep():
        logger.info("uploads that broke off were swept away", extra={"count": ruins})
    app = application.create(
        "ganforge repository",
        description="Networks, tags, immutable versions of weights, and snapshots of jobs.",
        database=database,
        tokens=settings.known_tokens(),
        checks={"schema": lambda: migrations.complaint(database, "ganforge_repository")},
    )
    app.state.store = store
    app.state.max_blob_bytes = settings.max_blob_bytes
    for module in (networks_api, tags, versions, blobs, snapshots):
        app.include_router(module.router)
    return app


def _open(settings: RepositorySettings) -> Database:
    """Open the database, its schema up to date and the built-in networks in it."""
    database = Database(settings.database("repository.db"), page_size=PAGE_SIZE)
    try:
        migrations.upgrade(database, "ganforge_repository")
        with database.write() as connection:
            networks.seed(connection)
    except Exception:
        database.close()
        raise
    return database
