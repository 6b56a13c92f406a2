"""A repository on a real socket, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from ganforge import digest
from ganforge._transport import Transport
from ganforge.repository import RepositoryClient
from ganforge.wire.weights import PNG, SAFETENSORS, NetworkBlobs, SnapshotCommit
from ganforge_chassis.database import Database
from ganforge_repository.app import create_app
from ganforge_repository.db.models import metadata
from ganforge_repository.settings import RepositorySettings
from tests.repository.files import picture, state_of, weights_of
from tests.support.served_app import served

TOKENS = {role: f"gf_test_{role}_0123456789" for role in ("read", "submit", "learner", "admin")}
MAX_BLOB_BYTES = 80 << 20


@dataclass
class Repository:
    """A running repository and ways to talk to it."""

    http: httpx.Client
    database: Database
    folder: Path
    transports: dict[str, Transport] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.http.base_url)

    def client(self, role: str = "admin") -> RepositoryClient:
        return RepositoryClient(self.transport(role))

    def transport(self, role: str = "admin") -> Transport:
        if role not in self.transports:
            self.transports[role] = Transport(self.url, TOKENS[role])
        return self.transports[role]

    def send(self, method: str, path: str, role: str = "admin", **options: Any) -> httpx.Response:
        """Send a request and give the answer, whatever it is."""
        headers = {"Authorization": f"Bearer {TOKENS[role]}", **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **options)

    def close(self) -> None:
        """Close the connections of its clients."""
        for transport in self.transports.values():
            transport.close()

    def file(self, content: bytes, name: str = "weights.safetensors") -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def put(self, content: bytes, media_type: str = SAFETENSORS) -> str:
        """Bring a blob and give its digest."""
        name = digest.of_bytes(content)
        self.client("learner").put_blob(name, content, media_type)
        return name

    def commit_of(self, epoch: int, iteration: int, *, tag: str = "run") -> SnapshotCommit:
        """Make a commit of both networks, its blobs brought."""
        networks = {
            name: NetworkBlobs(
                weights=self.put(weights_of(name, iteration)),
                samples=self.put(picture(iteration % 256), PNG) if name == "Generator" else None,
            )
            for name in ("Generator", "Discriminator")
        }
        return SnapshotCommit(
            epoch=epoch,
            iteration=iteration,
            tag=tag,
            networks=networks,
            state=self.put(state_of(iteration)),
            losses={"minibatchLoss": 0.5, "dLossReal": None},
            config={"batchSize": 16},
        )

    def count(self, *tables: str) -> int:
        """Count the rows of these tables."""
        with self.database.read() as connection:
            return sum(
                connection.scalar(select(func.count()).select_from(metadata.tables[table])) or 0
                for table in tables
            )


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Callable[[], Any]:
    """Gives the app, made anew."""

    def make() -> Any:
        return create_app(
            RepositorySettings(
                database_url=database_url,
                data=tmp_path,
                max_blob_bytes=MAX_BLOB_BYTES,
                tokens=",".join(f"{role}:{token}" for role, token in TOKENS.items()),
            )
        )

    return make


@pytest.fixture
def repository(start: Callable[[], Any], tmp_path: Path) -> Iterator[Repository]:
    app = start()
    with served(app) as url, httpx.Client(base_url=url, timeout=60) as http:
        running = Repository(http, app.state.database, tmp_path)
        yield running
        running.close()
