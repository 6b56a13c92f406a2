"""Learners as child processes: they end with their parent and are started again when they crash."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ganforge.cli import exits

NAME_TAKEN = exits.CONFLICT
LONGEST_PAUSE_SECONDS = 30.0
HEALTHY_SECONDS = 60.0
"""A learner that ran for so long may crash again before it counts as one that cannot start."""


class LearnerProcess:
    """One learner, kept running until ``stop``.

    Args:
        name: its name, and that of its log.
        server: the origin of both services.
        token: the token it shows there; handed over in the environment, which others cannot read.
        data: the data folder; the log is ``learner/<name>.log`` in it.
        threads: threads torch computes with; the learner's default when None.
        say: takes sentences for people.
    """

    def __init__(
        self,
        name: str,
        *,
        server: str,
        token: str,
        data: Path,
        say: Callable[[str], None],
        threads: int | None = None,
    ) -> None:
        self.name = name
        self.log = data / "learner" / f"{name}.log"
        self._command = [sys.executable, "-m", "ganforge", "learner", "--until-stdin-ends"]
        self._command += ["--server", server, "--name", name, "--data", str(data)]
        self._command += [] if threads is None else ["--threads", str(threads)]
        self._environment = {**os.environ, "GANFORGE_TOKEN": token}
        self._say = say
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, name=f"keep {name}", daemon=True)

    def start(self) -> None:
        """Start it, and again whenever it crashes."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._keeper.start()

    def stop(self) -> None:
        """Ask it to give its job back and end; returns at once and may be called twice."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended after ``stop``; tells whether it has."""
        self._keeper.join(timeout_s)
        return not self._keeper.is_alive()

    def _signal(self, number: int) -> None:
        self._stopping.set()
        with self._starting:
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(number)

    def _keep(self) -> None:
        pause = 1.0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = self._run_once()
            if self._stopping.is_set() or code is None:
                return
            if code == NAME_TAKEN:
                self._say(f"{self.name}: another learner has this name, so it is not started again")
                return
            pause = 1.0 if time.monotonic() - began > HEALTHY_SECONDS else pause
            self._say(f"{self.name} ended ({_reason(code)}), starting it again; see {self.log}")
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _run_once(self) -> int | None:
        """Run it to its end and give its exit code; None when it was not to start any more."""
        with self.log.open("ab") as log:
            with self._starting:
                if self._stopping.is_set():
                    return None
                self._process = self._open(log)
            code = self._process.wait()
            assert self._process.stdin is not None, "it was opened with a pipe"
            self._process.stdin.close()
            return code

    def _open(self, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            self._command,
            env=self._environment,
            # Nothing is ever written: its end tells the learner that this process is gone.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            # Ctrl-C reaches the whole foreground group; the learners are told in their turn.
            start_new_session=True,
        )


def _reason(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
