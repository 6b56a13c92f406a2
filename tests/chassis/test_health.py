"""Health: a process lives without its database, and is ready only when every check passes."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

import ganforge
from ganforge_chassis import health
from tests.chassis.conftest import service
from tests.support.readiness import ready
from tests.support.served_app import served


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return service(tmp_path)


@pytest.fixture
def own(app: FastAPI) -> Iterator[httpx.Client]:
    """A service that this test may break."""
    with served(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_a_service_is_ready_when_all_its_checks_pass(own: httpx.Client, app: FastAPI) -> None:
    app.state.checks["disk"] = lambda: None
    assert ready(own).json() == {"ready": True}
    told = ready(own, "/readyz?verbose")
    assert told.json() == {"ready": True, "checks": {"database": "ok", "disk": "ok"}}


def test_a_check_that_fails_is_told_in_words_unless_it_is_left_out(
    own: httpx.Client, app: FastAPI
) -> None:
    app.state.checks["disk"] = lambda: "it is full"
    answer = own.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert "disk: it is full" in answer.json()["detail"]
    assert answer.json()["checks"]["disk"] == "it is full"
    assert ready(own, "/readyz?exclude=disk").status_code == 200
    assert own.get("/readyz?exclude=dish").status_code == 422


def test_a_bug_in_a_check_is_no_readiness(own: httpx.Client, app: FastAPI) -> None:
    def broken() -> str | None:
        raise RuntimeError("a secret")

    app.state.checks["broken"] = broken
    answer = own.get("/readyz")
    assert answer.status_code == 503
    assert "secret" not in answer.text


def test_a_check_that_hangs_does_not_hang_the_answer(
    own: httpx.Client, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READY_SECONDS", 0.01)
    released = threading.Event()
    app.state.checks["hung"] = lambda: None if released.wait(60) else "still waiting"
    try:
        answer = own.get("/readyz")
    finally:
        released.set()
    assert answer.status_code == 503
    assert "no answer within" in answer.json()["checks"]["hung"]


def test_a_database_that_is_away_ends_readiness_and_not_life(
    own: httpx.Client, app: FastAPI, tmp_path: Path
) -> None:
    ready(own)
    app.state.database.close()
    (tmp_path / "test.db").rename(tmp_path / "elsewhere.db")
    (tmp_path / "test.db").mkdir()
    answer = own.get("/readyz")
    assert answer.status_code == 503
    assert "database" in answer.json()["detail"]
    assert own.get("/livez").text == "ok"


def test_a_service_tells_its_name_and_version(own: httpx.Client) -> None:
    assert own.get("/version").json() == {
        "service": "test service",
        "version": ganforge.__version__,
    }
