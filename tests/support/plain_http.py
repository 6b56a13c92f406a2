"""HTTP/1.1 over asyncio's streams, as little of it as our servers need.

A load of a thousand learners must cost less than the server it loads; httpx costs more.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the request was done."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)

    @property
    def slug(self) -> str:
        """The last part of a problem document's type; empty when there is none."""
        try:
            return str(self.json()["type"]).rpartition("/")[2]
        except (ValueError, KeyError, TypeError):
            return ""


class NoAnswer(ConnectionError):
    """The connection ended before the answer did: nobody knows whether the request was done."""


class PlainConnection:
    """A kept-alive connection to one server; one request at a time.

    Args:
        url: the server's origin, ``http://host:port``.
        token: the bearer token.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._headers = f"Host: {self._host}:{self._port}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def render(self, method: str, path: str, body: Any = None, headers: str = "") -> bytes:
        """Say a request in bytes; ``headers`` are whole lines."""
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\n{self._headers}{headers}"
        if content or method != "GET":
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        return head.encode() + b"\r\n" + content

    async def ask(
        self, method: str, path: str, body: Any = None, headers: str = "", seconds: float = 60.0
    ) -> Answer:
        """Send a request and give its answer; a connection known to be closed is opened anew.

        Raises:
            OSError: nobody listens, or ``NoAnswer``: the answer did not come or not whole.
        """
        return await self.send(self.render(method, path, body, headers), seconds=seconds)

    async def send(self, request: bytes, *, seconds: float = 60.0) -> Answer:
        """Send a request said by ``render``, as ``ask`` does."""
        try:
            async with asyncio.timeout(seconds):
                reader = await self.deliver(request)
                return await self._receive(reader)
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError | asyncio.IncompleteReadError):
                raise NoAnswer(str(error)) from error
            raise

    async def deliver(self, request: bytes) -> asyncio.StreamReader:
        """Send a request and leave its answer, from which on the stream given can be read."""
        reader, writer = await self._open()
        writer.write(request)
        await writer.drain()
        return reader

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and not self._streams[0].at_eof():
            return self._streams
        self.close()
        self._streams = await asyncio.open_connection(self._host, self._port)
        return self._streams

    async def _receive(self, reader: asyncio.StreamReader) -> Answer:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lower = head.lower()
        length = 0
        if (at := lower.find(b"content-length:")) >= 0:
            length = int(lower[at + 15 : lower.index(b"\r\n", at)])
        body = await reader.readexactly(length) if length else b""
        if b"connection: close" in lower:
            self.close()
        return Answer(status, body)

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
