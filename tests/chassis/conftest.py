"""A small service on the chassis, on a real socket."""

import itertools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from sqlalchemy.exc import DataError, OperationalError

from ganforge.errors import StaleEpoch
from ganforge.wire.model import WireModel
from ganforge_chassis import application
from ganforge_chassis.api_route import api_router
from ganforge_chassis.database import Database
from ganforge_chassis.paging import PagesOf50, Paging, link_next
from ganforge_chassis.tokens import Tokens
from tests.support.served_app import served

TOKEN = "gf_test_admin_0123456789"


class Note(WireModel):
    text: str
    inner: dict[str, Any] = Field(default_factory=dict)


FAILURES: dict[str, Callable[[], Exception]] = {
    "bug": lambda: RuntimeError("a secret of the house"),
    "away": lambda: OperationalError("SELECT 1", {}, Exception("gone")),
    "unstorable": lambda: DataError("INSERT", {}, Exception("out of range")),
    "known": lambda: StaleEpoch("a newer epoch is open", epoch=7),
}


def service(folder: Path) -> FastAPI:
    app = application.create(
        "test service",
        description="Keeps notes.",
        database=Database(f"sqlite:///{folder / 'test.db'}"),
        tokens=Tokens(f"admin:{TOKEN}"),
        max_body_bytes=1 << 20,
    )
    router = api_router("notes", prefix="/v1/notes")

    @router.post("", operation_id="makeNote")
    def make(note: Note) -> Note:
        """Give the note back."""
        return note

    @router.get("", operation_id="listNotes")
    def listing(
        request: Request, response: Response, pages: PagesOf50, kind: str = "any"
    ) -> list[int]:
        """List numbers."""
        shown, token = page_of_numbers(pages)
        link_next(request, response, token)
        return shown

    @router.get("/fail/{how}", operation_id="fail")
    def fail(how: str) -> None:
        """Fail."""
        raise FAILURES[how]()

    @router.put("/fail/{how}", operation_id="failToo")
    def fail_too(how: str) -> None:
        """Fail."""

    @router.get("/streams", operation_id="stream")
    def stream() -> StreamingResponse:
        """Speak for ever."""
        return StreamingResponse(itertools.repeat(b"tick"), media_type="text/plain")

    @router.post("/post-only", operation_id="postOnly")
    def post_only() -> None:
        """Take what is posted."""

    app.include_router(router)
    return app


def page_of_numbers(pages: Paging) -> tuple[list[int], str | None]:
    first = pages.after() or 0
    shown, token = pages.cut(range(first + 1, min(first + pages.limit, 2500) + 1), lambda n: n)
    return list(shown), token


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service's URL."""
    with served(service(tmp_path_factory.mktemp("service"))) as url:
        yield url


@pytest.fixture(scope="session")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture
def say(url: str) -> Callable[[bytes], bytes]:
    """Sends bytes as they are and gives all that comes back until the server hangs up."""
    address = urlsplit(url)

    def exchange(said: bytes) -> bytes:
        with socket.create_connection((address.hostname, address.port or 0), timeout=60) as line:
            line.sendall(said)
            heard = b""
            while piece := line.recv(65536):
                heard += piece
            return heard

    return exchange
