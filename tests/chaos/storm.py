"""A storm: many processes of faulty learners against coordinators that are killed under them."""

import random
import signal
import subprocess
import threading
import time
from pathlib import Path

from tests.chaos import history
from tests.chaos.checker import Found, check
from tests.chaos.commits import read_ledger
from tests.chaos.fleet import Fleet
from tests.chaos.site import LEASE_SECONDS, Coordinators

ROOT = Path(__file__).parents[2]


class Storm:
    """One round: learners and people for a number of operations, then the check.

    Args:
        coordinators: whom they ask.
        folder: for the histories.
        seed: of everything that is drawn.
        operations: how many there are to be, at least.
        processes: how many processes of learners.
        learners: how many there are in each.
        kills: how many times a coordinator is killed, at most.
        kill_seconds: how long it is left alone between, at least and at most.
    """

    def __init__(
        self,
        coordinators: Coordinators,
        folder: Path,
        *,
        seed: int,
        operations: int,
        processes: int = 4,
        learners: int = 4,
        kills: int = 10**6,
        kill_seconds: tuple[float, float] = (15.0, 60.0),
    ) -> None:
        self._coordinators = coordinators
        self._dice = random.Random(seed)
        self._kills = kills
        self._kill_seconds = kill_seconds
        self._paths = [folder / f"history-{index}.jsonl" for index in range(processes)]
        self._fleets = [
            Fleet(
                index=index,
                urls=coordinators.urls,
                history=str(path),
                seed=seed,
                operations=operations // processes,
                learners=learners,
                jobs=processes * learners,
            )
            for index, path in enumerate(self._paths)
        ]
        self._processes: list[subprocess.Popen[bytes]] = []
        self.seconds = 0.0

    def run(self) -> Found:
        """Let it rage until every process has done its operations; then check."""
        began = time.monotonic()
        self._processes = [subprocess.Popen(fleet.command(), cwd=ROOT) for fleet in self._fleets]
        over = threading.Event()
        killers = [threading.Thread(target=self._kill_coordinators, args=(over,))]
        killers += [threading.Thread(target=self._stop_learners, args=(over,))]
        for killer in killers:
            killer.start()
        try:
            codes = [process.wait() for process in self._processes]
        finally:
            over.set()
            for killer in killers:
                killer.join()
            for process in self._processes:
                process.kill()
        self.seconds = time.monotonic() - began
        assert not any(codes), f"processes of learners ended with {codes}"
        with self._coordinators.database() as database:
            return check(history.read(self._paths), read_ledger(database))

    def _kill_coordinators(self, over: threading.Event) -> None:
        while self._kills and not over.wait(self._dice.uniform(*self._kill_seconds)):
            self._kills -= 1
            which = self._dice.randrange(len(self._coordinators.urls))
            self._coordinators.kill(which)
            over.wait(self._dice.uniform(0.0, 1.0))
            self._coordinators.start(which)
            self._coordinators.until_ready(which)

    def _stop_learners(self, over: threading.Event) -> None:
        """Stop a process of learners for longer than a lease: the classic zombie."""
        while not over.wait(self._dice.uniform(1.0, 5.0)):
            process = self._dice.choice(self._processes)
            process.send_signal(signal.SIGSTOP)
            over.wait(LEASE_SECONDS * self._dice.uniform(1.2, 2.0))
            process.send_signal(signal.SIGCONT)
