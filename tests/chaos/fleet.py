"""One process of faulty learners; started by a storm."""

import asyncio
import json
import random
import sys
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from tests.chaos.faulty_link import FaultyLink
from tests.chaos.history import HistoryWriter
from tests.chaos.zombies import People, Zombie
from tests.support.system import TOKEN

LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Fleet:
    """What a process of learners is told."""

    index: int
    urls: list[str]
    history: str  # the file to note operations in
    seed: int
    operations: int  # how many to do, at least
    learners: int
    jobs: int  # how many people want there to be at once

    def command(self) -> list[str]:
        """Give the command that lives this fleet."""
        return [sys.executable, "-m", "tests.chaos.fleet", json.dumps(asdict(self))]


async def live(fleet: Fleet) -> None:
    """Let the learners live until they have done their operations; the first fleet has people."""
    writer = HistoryWriter(Path(fleet.history))
    dice = random.Random(f"{fleet.seed}:{fleet.index}")
    writes = count((fleet.index + 1) * 10**9)
    over = asyncio.Event()
    links = [
        FaultyLink(fleet.urls, TOKEN, dice=dice, history=writer) for _ in range(fleet.learners + 1)
    ]
    tasks = [
        Zombie(
            f"zombie-{fleet.index}-{number}", link, dice=dice, next_write=lambda: next(writes)
        ).run(over)
        for number, link in enumerate(links[1:])
    ]
    if fleet.index == 0:
        tasks.append(People(links[0], dice=dice, jobs=fleet.jobs).run(over))
    running = [asyncio.create_task(task) for task in tasks]
    while writer.count < fleet.operations:
        await asyncio.sleep(LOOK_SECONDS)
        for task in running:
            if task.done():
                task.result()  # a bug in a learner ends it all
    over.set()
    await asyncio.gather(*running)
    for link in links:
        await link.close()
    writer.close()


if __name__ == "__main__":
    asyncio.run(live(Fleet(**json.loads(sys.argv[1]))))
