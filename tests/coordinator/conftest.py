"""A coordinator on a real socket, on SQLite and on PostgreSQL."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ganforge_coordinator.app import create_app
from ganforge_coordinator.settings import CoordinatorSettings
from tests.coordinator.running import TOKENS, Coordinator, running
from tests.support.postgres import PostgresServer

Start = Callable[..., AbstractContextManager[Coordinator]]


def settings(folder: Path, database_url: str, **changes: Any) -> CoordinatorSettings:
    values: dict[str, Any] = {
        "database_url": database_url,
        "data": folder,
        "tokens": ",".join(f"{role}:{token}" for role, token in TOKENS.items()),
        "reap_seconds": 0.02,
        "retire_seconds": 0,
    }
    return CoordinatorSettings(**{**values, **changes})


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Start:
    """Starts a coordinator on the test's database, with settings given; may start it anew."""

    @contextmanager
    def begin(**changes: Any) -> Iterator[Coordinator]:
        with running(create_app(settings(tmp_path, database_url, **changes))) as coordinator:
            yield coordinator

    return begin


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def running_coordinator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Coordinator]:
    folder = tmp_path_factory.mktemp("coordinator")
    if request.param == "sqlite":
        database_url = f"sqlite:///{folder / 'test.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        database_url = server.new_database()
    with running(create_app(settings(folder, database_url))) as coordinator:
        yield coordinator


@pytest.fixture
def coordinator(running_coordinator: Coordinator) -> Coordinator:
    """A coordinator that knows no job and no learner; shared, since starting one takes long."""
    running_coordinator.forget_everything()
    return running_coordinator


@pytest.fixture
def in_thread() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Runs a call in a thread and gives its future."""
    with ThreadPoolExecutor(max_workers=16) as threads:
        yield threads.submit
