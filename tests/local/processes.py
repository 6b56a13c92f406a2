"""``ganforge`` commands as processes, as a user starts them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from ganforge import Client

PATIENCE_SECONDS = 300.0


class Command:
    """A running command whose output is read line by line.

    Args:
        process: with pipes on stdout and stderr.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.err = ""

    def out_line(self) -> str:
        """Wait for a line on stdout."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def until(self, words: str) -> str:
        """Wait for a line on stderr that has ``words`` in it."""
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            self.err += line
            if words in line:
                return line
        raise AssertionError(f"never said {words!r}: {self.err}")

    def family(self) -> list[psutil.Process]:
        """Give all processes it has started, and those they have."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; gives exit code, the rest of stdout, all of stderr."""
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, out, self.err + err


@contextmanager
def command(*words: str, folder: Path) -> Iterator[Command]:
    """Run ``ganforge`` with these words in ``folder``; ended, if need be, after the block."""
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("GANFORGE_")}
    with subprocess.Popen(
        [sys.executable, "-m", "ganforge", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        started = Command(process)
        try:
            yield started
        finally:
            if process.poll() is None:
                family = started.family()
                process.kill()
                psutil.wait_procs(family, timeout=PATIENCE_SECONDS)


class Up:
    """A running ``ganforge up``.

    Args:
        command: the process.
        facts: what it said of itself.
        data: its data folder.
    """

    def __init__(self, command: Command, facts: dict[str, Any], data: Path) -> None:
        self.command = command
        self.url: str = facts["url"]
        self.page: str = facts["page"]
        self.token = (data / "token").read_text().strip()

    def client(self) -> Client:
        """Make a client of it."""
        return Client(self.url, token=self.token)

    def wait_for_learner(self) -> None:
        """Wait until its learner is ready for jobs."""
        self.command.until("learner-1 is ready")

    def terminate(self) -> tuple[int, str, str]:
        """Ask it to end, and wait until it has."""
        self.command.signal(signal.SIGTERM)
        return self.command.end()


@contextmanager
def up(folder: Path, *, learners: int = 1) -> Iterator[Up]:
    """Run ``ganforge up`` on a free port, with its data in ``folder/data``."""
    words = ("up", "--port", "0", "--data", "data", "--learners", str(learners), "--json")
    with command(*words, folder=folder) as started:
        facts = json.loads(started.out_line())
        yield Up(started, facts, folder / "data")


def are_gone(processes: list[psutil.Process]) -> bool:
    """Wait until all these processes have ended; tells whether they have."""
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    return not alive
