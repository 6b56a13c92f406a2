"""Simulated learners: they claim, beat and push as agents do, train nothing, and are killed."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

from bench.load.figures import Figures
from tests.support.learners import registration
from tests.support.plain_http import Answer, PlainConnection

BEAT_SECONDS = 10.0
PUSH_SECONDS = 5.0
POINTS = 20
PUSHES = 200
"""Of a whole job: a thousand learners at one push per 5 s end one job a second."""

_SERIES = {
    name: [round(random.random(), 6) for _ in range(POINTS)]
    for name in ("minibatchLoss", "dLossReal", "dLossFake")
}


class Board:
    """What happened when, to measure from one learner or person to another.

    Args:
        figures: where the measured times go.
    """

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self.running: set[str] = set()
        self.idle = 0  # learners that wait for a job
        self._since: dict[tuple[str, str], float] = {}

    def begin(self, what: str, job: str) -> None:
        """Note that ``what`` has begun for a job, now."""
        self._since[what, job] = time.perf_counter()

    def end(self, what: str, job: str) -> None:
        """Measure ``what``, where it has begun."""
        if (since := self._since.pop((what, job), None)) is not None:
            self.figures.add(what, time.perf_counter() - since)

    def forget(self, job: str) -> None:
        """Measure nothing more of a job that is over."""
        self.running.discard(job)
        for key in [key for key in self._since if key[1] == job]:
            del self._since[key]


class SimulatedLearner:
    """One learner; two connections, as an agent has: one beats, one does the rest.

    Args:
        url: the coordinator.
        token: the bearer token.
        name: its name.
        board: what is measured.
        pushes: how many pushes its first job gets; every later one gets ``PUSHES``.
    """

    def __init__(self, url: str, token: str, *, name: str, board: Board, pushes: int) -> None:
        self.name = name
        self.job = ""
        self._connection = PlainConnection(url, token)
        self._beating = PlainConnection(url, token)
        self._board = board
        self._pushes = pushes
        self._ended = asyncio.Event()

    async def live(self) -> None:
        """Work on one job after the other; killed by cancelling the task."""
        try:
            body = registration(self.name).model_dump(mode="json", by_alias=True)
            answer = await self._ask("register", "/v1/learners", body)
            learner_id = answer.json()["id"]
            while True:
                await self._work_once(learner_id)
        finally:
            self._connection.close()
            self._beating.close()

    async def _work_once(self, learner_id: str) -> None:
        body = {"claimKey": uuid.uuid4().hex}
        path = f"/v1/learners/{learner_id}/claim"
        self._board.idle += 1
        try:
            answer = await self._ask(None, path, body, headers="Prefer: wait=25\r\n")
        finally:
            self._board.idle -= 1
        if answer.status == 204:
            return
        told = answer.json()
        self.job, path = told["jobId"], f"/v1/attempts/{told['attemptId']}"
        self._board.end("submit to claimed", self.job)
        self._ended.clear()
        await self._beat(path, wait=False)
        for what in ("kill to running elsewhere", "kill to running after a restart"):
            self._board.end(what, self.job)
        self._board.running.add(self.job)
        beating = asyncio.create_task(self._keep_beating(path))
        try:
            iteration = await self._push_all(path)
            outcome = {"outcome": "SUCCEEDED", "iteration": iteration}
            beating.cancel()  # what it would be answered after this is that the lease is gone
            await self._ask("complete", f"{path}/complete", outcome)
            self._board.forget(self.job)
        finally:
            beating.cancel()
            self._beating.close()
        self.job = ""

    async def _push_all(self, path: str) -> int:
        """Push in the rhythm of one that trains; gives the iterations done."""
        await asyncio.sleep(random.uniform(0, PUSH_SECONDS))
        due = time.perf_counter()
        for seq in range(self._pushes):
            body = {"seq": seq, "first": POINTS * seq, "series": _SERIES}
            await self._ask("push", f"{path}/progress", body)
            due += PUSH_SECONDS
            try:
                left = max(0.0, due - time.perf_counter())
                await asyncio.wait_for(self._ended.wait(), left)
                break  # told to stop
            except TimeoutError:
                continue
        self._pushes = PUSHES
        return POINTS * (seq + 1)

    async def _keep_beating(self, path: str) -> None:
        while await self._beat(path, wait=True) == "run":
            pass
        self._board.end("stop to trainer", self.job)
        self._ended.set()

    async def _beat(self, path: str, *, wait: bool) -> str:
        """Beat; of one that waits for a command, what it took beyond its wait is measured."""
        began = time.perf_counter()
        headers = f"Prefer: wait={BEAT_SECONDS:.0f}\r\n" if wait else ""
        body = {"started": True, "commandSeen": "run"}
        answer = await self._ask(
            None, f"{path}/heartbeat", body, headers=headers, connection=self._beating
        )
        seconds = time.perf_counter() - began - (BEAT_SECONDS if wait else 0.0)
        command = str(answer.json()["command"])
        if command == "run" or not wait:
            self._board.figures.add("heartbeat", max(0.0, seconds))
        return command

    async def _ask(
        self,
        measured: str | None,
        path: str,
        body: Any,
        *,
        headers: str = "",
        connection: PlainConnection | None = None,
    ) -> Answer:
        """Ask; what is not answered with success ends this learner, and is told."""
        name = measured or path.rpartition("/")[2]
        began = time.perf_counter()
        try:
            answer = await (connection or self._connection).ask("POST", path, body, headers)
        except OSError as error:
            self._board.figures.fail(name, type(error).__name__)
            raise
        if not answer.is_success:
            self._board.figures.fail(name, f"{answer.status} {answer.slug}")
            raise ConnectionError(f"{name} was answered {answer.status}")
        if measured:
            self._board.figures.add(measured, time.perf_counter() - began)
        return answer


class Fleet:
    """All the learners; some are killed, and others come instead.

    Args:
        make: makes a learner of a name, whose first job gets so many pushes.
        board: what is measured.
    """

    def __init__(self, make: Callable[[str, int], SimulatedLearner], board: Board) -> None:
        self._make = make
        self._board = board
        self._tasks: dict[SimulatedLearner, asyncio.Task[None]] = {}
        self._count = 0

    def start(self, name: str | None = None, pushes: int = PUSHES) -> None:
        """Let one more live."""
        self._count += 1
        learner = self._make(name or f"learner-{self._count}", pushes)
        task = asyncio.create_task(learner.live())
        self._tasks[learner] = task

    async def kill_some(self, per_second: float) -> None:
        """Kill some for ever; half of them start again under their name, half never come back."""
        while True:
            await asyncio.sleep(random.expovariate(per_second))
            working = [learner for learner in self._tasks if learner.job in self._board.running]
            if not working:
                continue
            victim = random.choice(working)
            restarts = random.random() < 0.5
            what = "kill to running after a restart" if restarts else "kill to running elsewhere"
            self._board.running.discard(victim.job)
            self._board.begin(what, victim.job)
            self._tasks.pop(victim).cancel()
            self.start(victim.name if restarts else None)

    def kill_all(self) -> None:
        """End."""
        for task in self._tasks.values():
            task.cancel()

    def check(self) -> None:
        """Replace those that ended by an error, which is noted already."""
        for learner in [learner for learner, task in self._tasks.items() if task.done()]:
            task = self._tasks.pop(learner)
            if not task.cancelled() and not isinstance(task.exception(), OSError):
                task.result()
            self._board.forget(learner.job)
            self.start(learner.name)
