"""The fixtures all tests share."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import postgres
from tests.support.postgres import PostgresServer

# Machines differ, and a slow one is no defect: time is measured in bench/, never asserted here.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# A shell that starts tests in the background has Ctrl-C ignored by them, and by all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

TOKEN = "gf_test_admin_token_0123456789"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    parser.addoption(
        "--kills", type=int, default=1, help="kills for each job of e2e's exact resume"
    )
    parser.addoption(
        "--model-examples",
        type=int,
        default=12,
        help="examples of 50 steps each for the model of the coordinator's store",
    )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with postgres.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()
