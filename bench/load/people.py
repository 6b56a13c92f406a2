"""Those who submit jobs, stop them, follow them and look at their charts."""

import asyncio
import json
import random
import time
from datetime import UTC, datetime

from bench.load.learners import Board
from tests.support.plain_http import PlainConnection

JOB = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST", "config": {"seed": 1}}
CHART_SECONDS = 2.0


class People:
    """Everyone who is no learner.

    Args:
        url: the coordinator.
        token: the bearer token.
        board: what is measured.
    """

    def __init__(self, url: str, token: str, board: Board) -> None:
        self._url = url
        self._token = token
        self._board = board

    def _connect(self) -> PlainConnection:
        return PlainConnection(self._url, self._token)

    async def submit(self, connection: PlainConnection | None = None) -> None:
        """Submit one job."""
        began = time.perf_counter()
        somebody_waits = self._board.idle > 0
        answer = await (connection or self._connect()).ask("POST", "/v1/jobs", JOB)
        if not answer.is_success:
            self._board.figures.fail("submit", answer.status)
            return
        self._board.figures.add("submit", time.perf_counter() - began)
        if somebody_waits:
            self._board.begin("submit to claimed", answer.json()["id"])

    async def keep_submitting(self, seconds: float) -> None:
        """Submit one job after the other for ever."""
        connection = self._connect()
        while True:
            await asyncio.gather(self.submit(connection), asyncio.sleep(seconds))

    async def keep_stopping(self, seconds: float) -> None:
        """Stop a job now and then."""
        connection = self._connect()
        while True:
            await asyncio.sleep(seconds)
            if not self._board.running:
                continue
            job = random.choice(tuple(self._board.running))
            self._board.begin("stop to trainer", job)
            answer = await connection.ask("POST", f"/v1/jobs/{job}/stop")
            if not answer.is_success and answer.slug != "invalid-state":
                self._board.figures.fail("stop", answer.status)

    async def keep_reading(self) -> None:
        """Look at one chart after the other."""
        connection = self._connect()
        await asyncio.sleep(random.uniform(0, CHART_SECONDS))
        while True:
            if self._board.running:
                job = random.choice(tuple(self._board.running))
                began = time.perf_counter()
                answer = await connection.ask("GET", f"/v1/jobs/{job}/progress?maxPoints=1000")
                if answer.is_success:
                    self._board.figures.add("chart", time.perf_counter() - began)
                else:
                    self._board.figures.fail("chart", answer.status)
            await asyncio.sleep(CHART_SECONDS)

    async def keep_following(self) -> None:
        """Follow one job after the other, each until it is over."""
        while True:
            if self._board.running:
                await self._follow(random.choice(tuple(self._board.running)))
            await asyncio.sleep(random.uniform(0.1, 1.0))

    async def _follow(self, job: str) -> None:
        """Follow; every number must come, and once, and how late it comes is measured."""
        connection = self._connect()
        began = datetime.now(UTC)
        seen = 0
        try:
            request = connection.render("GET", f"/v1/jobs/{job}/events")
            reader = await connection.deliver(request)
            async for line in reader:
                if line.startswith(b"id: "):
                    number = int(line[4:])
                    if number != seen + 1:
                        self._board.figures.fail("follow", "an event was missed or came twice")
                    seen = number
                elif line.startswith(b"data: "):
                    at = datetime.fromisoformat(json.loads(line[6:])["at"])
                    if at > began:
                        late = (datetime.now(UTC) - at).total_seconds()
                        self._board.figures.add("event to follower", max(0.0, late))
                elif line == b"0\r\n":
                    return
        except OSError as error:
            self._board.figures.fail("follow", type(error).__name__)
        finally:
            connection.close()
