"""A load balancer, as people put one before several coordinators."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.chaos.proxy import Proxy, Streams


class Balancer(Proxy):
    """Passes each connection on to the next server that takes it.

    Args:
        urls: the servers' origins.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        parts = [urlsplit(url) for url in urls]
        self._targets = [(str(part.hostname), int(part.port or 80)) for part in parts]
        super().__init__(self._targets[0], http=False)

    @asynccontextmanager
    async def _reach(self) -> AsyncIterator[Streams]:
        streams = await self._next()
        try:
            yield streams
        finally:
            streams[1].close()

    async def _next(self) -> Streams:
        for _ in self._targets:
            self._targets.append(self._targets.pop(0))
            try:
                return await asyncio.open_connection(*self._targets[-1])
            except OSError:
                continue  # it is dead; the next may live
        raise ConnectionError("no server takes the connection")
