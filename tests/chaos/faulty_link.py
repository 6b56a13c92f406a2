"""Requests over a network that loses, repeats and delays them; every one is noted."""

import asyncio
import random
from contextlib import suppress
from typing import Any

from tests.chaos.history import HistoryWriter, Kind, Operation, Verdict, clock
from tests.support.plain_http import Answer, PlainConnection

FAULTS = {
    "none": 80,
    "lost answer": 5,  # done, and nobody hears of it
    "cut": 4,  # sent, and the connection is gone
    "lost request": 3,  # half of it arrives
    "twice": 5,  # two at the same moment
    "late twin": 3,  # once now, and once more when much has changed
}
LATE_SECONDS = 2.5
NOT_SAID = (408, 429, 502, 503, 504)
"""Answers that do not tell whether the request was done."""


class FaultyLink:
    """Asks coordinators, of which any will do, with faults drawn from a dice.

    Args:
        urls: the coordinators'.
        token: the bearer token.
        dice: draws the faults.
        history: where every request is noted.
        faulty: whether faults are drawn at all.
    """

    def __init__(
        self,
        urls: list[str],
        token: str,
        *,
        dice: random.Random,
        history: HistoryWriter,
        faulty: bool = True,
    ) -> None:
        self._urls = urls
        self._token = token
        self._dice = dice
        self._history = history
        self._weights = list(FAULTS.values()) if faulty else [1, 0, 0, 0, 0, 0]
        self._idle: list[list[PlainConnection]] = [[] for _ in urls]
        self._late: set[asyncio.Task[object]] = set()

    async def ask(self, kind: Kind, path: str, body: Any = None, **facts: Any) -> Answer | None:
        """Ask once; None when there is no answer that tells whether it was done.

        Args:
            kind: for the history.
            path: of the request, a POST.
            body: its JSON.
            facts: further fields of the ``Operation``.
        """
        which = self._dice.randrange(len(self._urls))
        request = PlainConnection(self._urls[which], self._token).render("POST", path, body)
        fault = self._dice.choices(list(FAULTS), self._weights)[0]
        match fault:
            case "cut" | "lost request":
                part = request if fault == "cut" else request[: len(request) // 2]
                await self._cut(which, part, kind, facts)
                return None
            case "twice":
                self._later(which, request, kind, facts, 0.0)
            case "late twin":
                self._later(which, request, kind, facts, self._dice.uniform(0.0, LATE_SECONDS))
        answer = await self._noted(which, request, kind, facts, heard=fault != "lost answer")
        return None if fault == "lost answer" else answer

    async def _noted(
        self,
        which: int,
        request: bytes,
        kind: Kind,
        facts: dict[str, Any],
        *,
        heard: bool = True,
    ) -> Answer | None:
        invoked = clock()
        connection = (
            self._idle[which].pop()
            if self._idle[which]
            else PlainConnection(self._urls[which], self._token)
        )
        answer: Answer | None
        try:
            answer = await connection.send(request)
        except ConnectionRefusedError:  # a coordinator was killed: nothing was sent
            await asyncio.sleep(0.1)
            return None
        except OSError:
            answer = None
        self._idle[which].append(connection)
        if answer is not None and answer.status in NOT_SAID:
            answer = None
        self._note(invoked, kind, answer if heard else None, facts)
        return answer

    def _note(
        self, invoked: float, kind: Kind, answer: Answer | None, facts: dict[str, Any]
    ) -> None:
        verdict, status, slug = Verdict.UNKNOWN, 0, ""
        if answer is not None:
            verdict = Verdict.ACCEPTED if answer.is_success else Verdict.REFUSED
            status, slug = answer.status, "" if answer.is_success else answer.slug
            if kind in (Kind.CLAIM, Kind.SUBMIT) and answer.status in (200, 201):
                facts = {**facts, **_given(kind, answer)}
        operation = Operation(
            invoked, clock(), kind=kind, verdict=verdict, status=status, slug=slug, **facts
        )
        self._history.add(operation)

    async def _cut(self, which: int, part: bytes, kind: Kind, facts: dict[str, Any]) -> None:
        invoked = clock()
        connection = PlainConnection(self._urls[which], self._token)
        with suppress(OSError):
            await connection.deliver(part)
        connection.close()
        self._note(invoked, kind, None, facts)

    def _later(
        self, which: int, request: bytes, kind: Kind, facts: dict[str, Any], seconds: float
    ) -> None:
        task = asyncio.create_task(self._twin(which, request, kind, facts, seconds))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _twin(
        self, which: int, request: bytes, kind: Kind, facts: dict[str, Any], seconds: float
    ) -> None:
        await asyncio.sleep(seconds)
        await self._noted(which, request, kind, facts)

    async def close(self) -> None:
        """Wait for what is still on its way, then close every connection."""
        await asyncio.gather(*self._late)
        for idle in self._idle:
            for connection in idle:
                connection.close()


def _given(kind: Kind, answer: Answer) -> dict[str, Any]:
    """Read what an answer gave to whoever asked."""
    told = answer.json()
    if kind is Kind.SUBMIT:
        return {"job": told["id"]}
    return {"job": told["jobId"], "attempt": told["attemptId"], "epoch": told["epoch"]}
