"""Learners that do all that a learner must never do, and the people who steer their jobs."""

import asyncio
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.chaos.faulty_link import FaultyLink
from tests.chaos.history import Kind
from tests.support.learners import registration
from tests.support.plain_http import Answer

LEASE_SECONDS = 1.0
TRIES = 6
JOB = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST", "config": {"seed": 1}}


@dataclass
class Lease:
    """One that a learner holds, or thinks it does."""

    job: str
    attempt: str
    epoch: int
    seq: int = 0
    pushing: int = 0  # the write that is to be push ``seq``, once it was tried

    def facts(self, learner: str, write: int) -> dict[str, Any]:
        """Say it for the history."""
        return {
            "job": self.job,
            "attempt": self.attempt,
            "epoch": self.epoch,
            "learner": learner,
            "write": write,
        }


class Zombie:
    """A learner that sleeps over its leases, then writes on; starts anew; leaves ghosts behind.

    Args:
        name: its name.
        link: how it reaches the coordinators.
        dice: draws what it does.
        next_write: gives the next name of something to be written, each higher than the last.
    """

    def __init__(
        self, name: str, link: FaultyLink, *, dice: random.Random, next_write: Callable[[], int]
    ) -> None:
        self._name = name
        self._link = link
        self._dice = dice
        self._next_write = next_write
        self._id = ""
        self._ghosts: set[asyncio.Task[object]] = set()

    async def run(self, over: asyncio.Event) -> None:
        """Live until ``over``."""
        while not over.is_set():
            if not self._id:
                await self._register()
            elif (lease := await self._claim()) is None:
                await asyncio.sleep(self._dice.uniform(0.0, 0.05))
            else:
                await self._work(lease)
        await asyncio.gather(*self._ghosts)

    async def _register(self) -> None:
        boot = registration(self._name).model_dump(mode="json", by_alias=True)
        answer = await self._again(Kind.REGISTER, "/v1/learners", boot)
        self._id = answer.json()["id"] if answer is not None and answer.is_success else ""

    async def _claim(self) -> Lease | None:
        body = {"claimKey": uuid.uuid4().hex}
        path = f"/v1/learners/{self._id}/claim"
        answer = await self._again(Kind.CLAIM, path, body)
        if answer is None or answer.status == 204:
            return None
        if not answer.is_success:
            self._id = ""
            return None
        told = answer.json()
        return Lease(told["jobId"], told["attemptId"], told["epoch"])

    async def _work(self, lease: Lease) -> None:
        if not await self._beat(lease):
            return
        for _ in range(self._dice.randrange(60)):
            chance = self._dice.random()
            if chance < 0.01:
                await asyncio.sleep(LEASE_SECONDS * self._dice.uniform(0.9, 2.5))
            elif chance < 0.015:
                self._id = ""  # killed, and started again
                self._haunt(lease)
                return
            elif not await self._write(lease):
                if self._dice.random() < 0.5:
                    self._haunt(lease)
                return
        if self._dice.random() < 0.3:
            self._haunt(lease)  # claims anew and leaves the old one to a ghost
        else:
            await self._complete(lease)

    def _haunt(self, lease: Lease) -> None:
        """Write on, beside the learner that goes on with something else."""
        task = asyncio.create_task(self._write_on(lease))
        self._ghosts.add(task)
        task.add_done_callback(self._ghosts.discard)

    async def _write_on(self, lease: Lease) -> None:
        for _ in range(self._dice.randrange(1, 6)):
            await asyncio.sleep(LEASE_SECONDS * self._dice.uniform(0.0, 0.5))
            await self._write(lease)
        if self._dice.random() < 0.5:
            await self._complete(lease)

    async def _write(self, lease: Lease) -> bool:
        """Write something; False when it was refused."""
        write = self._dice.choices((self._push, self._beat, self._note), (75, 15, 10))[0]
        return await write(lease)

    async def _beat(self, lease: Lease) -> bool:
        write = self._next_write()
        body = {"started": True, "resumeIteration": write}
        return await self._held(Kind.BEAT, lease, "heartbeat", body, write)

    async def _push(self, lease: Lease) -> bool:
        # Until it is known to be kept or refused, no other may come under its number.
        lease.pushing = write = lease.pushing or self._next_write()
        body = {"seq": lease.seq, "first": write, "series": {"minibatchLoss": [0.25]}}
        held = await self._held(Kind.PUSH, lease, "progress", body, write, seq=lease.seq)
        if held:
            lease.seq, lease.pushing = lease.seq + 1, 0
        return held

    async def _note(self, lease: Lease) -> bool:
        write = self._next_write()
        body = {"iteration": write, "versions": {"Generator": 1, "Discriminator": 1}}
        return await self._held(Kind.NOTE, lease, "snapshots", body, write)

    async def _complete(self, lease: Lease) -> bool:
        write = self._next_write()
        outcome = self._dice.choices(("RELEASED", "SUCCEEDED", "FAILED"), (70, 25, 5))[0]
        body = {"outcome": outcome, "iteration": write}
        return await self._held(Kind.COMPLETE, lease, "complete", body, write)

    async def _held(
        self, kind: Kind, lease: Lease, verb: str, body: Any, write: int, seq: int = 0
    ) -> bool:
        path = f"/v1/attempts/{lease.attempt}/{verb}"
        facts = lease.facts(self._name, write)
        answer = await self._again(kind, path, body, seq=seq, **facts)
        return answer is not None and answer.is_success

    async def _again(self, kind: Kind, path: str, body: Any, **facts: Any) -> Answer | None:
        """Ask until there is an answer, as an agent does; not for ever."""
        facts.setdefault("learner", self._name)
        for _ in range(TRIES):
            if (answer := await self._link.ask(kind, path, body, **facts)) is not None:
                return answer
            await asyncio.sleep(self._dice.uniform(0.0, 0.1))
        return None


class People:
    """They submit jobs, as many as are wanted at once, and stop, pause, resume and cancel them.

    Args:
        link: how they reach the coordinators.
        dice: draws what they do.
        jobs: how many are to be there at once, done or not.
    """

    def __init__(self, link: FaultyLink, *, dice: random.Random, jobs: int) -> None:
        self._link = link
        self._dice = dice
        self._wanted = jobs
        self._jobs: list[str] = []

    async def run(self, over: asyncio.Event) -> None:
        """Steer until ``over``."""
        while not over.is_set():
            if len(self._jobs) < self._wanted:
                answer = await self._link.ask(Kind.SUBMIT, "/v1/jobs", JOB)
                if answer is not None and answer.is_success:
                    self._jobs.append(answer.json()["id"])
            else:
                await self._steer()
                await asyncio.sleep(self._dice.uniform(0.0, 0.1))

    async def _steer(self) -> None:
        job = self._dice.choice(self._jobs)
        actions = ("resume", "retry", "pause", "stop", "cancel")
        action = self._dice.choices(actions, (40, 40, 10, 5, 5))[0]
        await self._link.ask(Kind.STEER, f"/v1/jobs/{job}/{action}", job=job)
