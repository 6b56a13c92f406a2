"""A network that can be broken: a TCP proxy in a thread of its own.

Between an agent and a coordinator it knows whole requests; between a coordinator and its database
only bytes. What it does to them is a ``Weather``, which may change at any moment.
"""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

BLOCK = 65_536
LOOK_SECONDS = 0.05
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Weather:
    """What the network does; shares are of all requests."""

    parted: bool = False  # nobody gets through: connections break, new ones are closed
    frozen: bool = False  # half-open: connections stay, and nothing moves
    delay_seconds: float = 0.0  # of every request, or block of bytes
    bytes_per_second: float = 0.0  # bandwidth of each connection; 0 for no limit
    lost_requests: float = 0.0
    lost_answers: float = 0.0  # done, and the connection breaks before the answer
    doubled: float = 0.0  # sent twice, on two connections
    reordered: float = 0.0  # held back until others have overtaken it
    only: str = ""  # of the requests with this in their paths; the rest get through


FINE = Weather()


class Proxy:
    """Passes connections on to a server as the weather lets it.

    Args:
        target: host and port, or the path of a Unix socket.
        http: whether whole HTTP requests are known; else they are bytes.
        seed: of the dice that choose what is lost.
    """

    def __init__(self, target: tuple[str, int] | Path, *, http: bool = True, seed: int = 0) -> None:
        self.weather = FINE
        self.port = 0
        self.counts = {"lost_requests": 0, "lost_answers": 0, "doubled": 0, "reordered": 0}
        self._target = target
        self._http = http
        self._dice = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._passed = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")

    @property
    def url(self) -> str:
        """Where HTTP clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(60)

    def stop(self) -> None:
        """Close everything."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def change(self, weather: Weather) -> None:
        """Change the weather, now; where nobody gets through any more, connections break."""
        self.weather = weather
        if weather.parted:
            self._loop.call_soon_threadsafe(self._break)

    def _break(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._server.close()
        tasks = list(self._tasks)
        self._break()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                if not self.weather.parted:
                    await (self._pass_requests if self._http else self._pass_bytes)(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    @asynccontextmanager
    async def _reach(self) -> AsyncIterator[Streams]:
        if isinstance(self._target, Path):
            streams = await asyncio.open_unix_connection(str(self._target))
        else:
            streams = await asyncio.open_connection(*self._target)
        try:
            yield streams
        finally:
            streams[1].close()

    async def _pass_bytes(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        async with self._reach() as (far, on):
            pumps = [
                asyncio.ensure_future(self._pump(near, on)),
                asyncio.ensure_future(self._pump(far, back)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(BLOCK):
            await self._suffer(len(block))
            writer.write(block)
            await writer.drain()

    async def _suffer(self, size: int) -> None:
        """Wait as long as the weather keeps so many bytes back."""
        while self.weather.frozen:
            await asyncio.sleep(0.02)
        if self.weather.delay_seconds:
            await asyncio.sleep(self.weather.delay_seconds)
        if self.weather.bytes_per_second:
            await asyncio.sleep(size / self.weather.bytes_per_second)

    async def _pass_requests(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Pass whole requests on and whole answers back, one after the other."""
        async with self._reach() as (far, on):
            while request := await _read_message(near):
                await self._suffer(len(request))
                if self._falls("lost_requests", request):
                    return
                if self._falls("reordered", request):
                    await self._let_others_pass()
                doubled = self._falls("doubled", request)
                on.write(request)
                await on.drain()
                self._passed += 1
                if doubled:
                    await self._send_again(request)
                answer = await _answer_unless_left(near, far)
                if not answer or self._falls("lost_answers", request):
                    return
                await self._suffer(len(answer))
                back.write(answer)
                await back.drain()

    def _falls(self, fault: str, request: bytes) -> bool:
        is_meant = self.weather.only.encode() in request.partition(b"\r\n")[0]
        falls: bool = is_meant and self._dice.random() < getattr(self.weather, fault)
        self.counts[fault] += falls
        return falls

    async def _let_others_pass(self) -> None:
        """Hold a request back until three others have passed, or a second has."""
        until = self._passed + 3
        for _ in range(50):
            if self._passed >= until:
                return
            await asyncio.sleep(0.02)

    async def _send_again(self, request: bytes) -> None:
        async with self._reach() as (far, on):
            on.write(request)
            await on.drain()
            await _read_message(far)


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    """Read a request or an answer with its body, as bytes; nothing when the connection ended."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return head + await _read_chunks(reader)
    if (at := lower.find(b"content-length:")) < 0:
        return head
    length = int(lower[at + 15 : lower.index(b"\r\n", at)])
    return head + await reader.readexactly(length)


async def _answer_unless_left(near: asyncio.StreamReader, far: asyncio.StreamReader) -> bytes:
    """Read an answer; nothing when who asked has hung up, which the server is to see too."""
    answer = asyncio.ensure_future(_read_message(far))
    try:
        while not answer.done():
            if near.at_eof():
                return b""
            await asyncio.wait([answer], timeout=LOOK_SECONDS)
        return answer.result()
    finally:
        answer.cancel()


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    """Read a body in chunks (RFC 9112, section 7.1), as it came."""
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        body += line
        size = int(line.split(b";")[0], 16)
        body += await reader.readexactly(size + 2)
        if not size:
            return body


@contextmanager
def proxied(target: tuple[str, int] | Path, *, http: bool = True, seed: int = 0) -> Iterator[Proxy]:
    """Run a proxy before ``target`` until the block ends."""
    proxy = Proxy(target, http=http, seed=seed)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
