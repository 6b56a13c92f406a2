"""One machine: a server and its learners, started and ended in the right order."""

import fcntl
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ganforge.errors import Conflict
from ganforge_local.learners import LearnerProcess
from ganforge_local.server import LocalServer

PATIENCE_SECONDS = 60.0
"""How long learners may take to hand their jobs back; then their leases run out instead."""


def _lock(data: Path) -> IO[bytes]:
    """Take the data folder for this process; the system gives it back however the process ends.

    Raises:
        Conflict: another machine runs on it.
    """
    data.mkdir(parents=True, exist_ok=True)
    file = (data / "lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Conflict(
            f"{data} is in use by another ganforge up or demo: end that, or take another --data"
        ) from error
    return file


class Machine:
    """A local server with learners; a context manager that ends both.

    Learners end first, while the server still takes their last snapshots.

    Args:
        listening: the address, taken already.
        data: the data folder.
        learners: how many learners to run.
        say: takes sentences for people.
    """

    def __init__(
        self,
        listening: socket.socket,
        data: Path,
        *,
        learners: int,
        say: Callable[[str], None],
    ) -> None:
        self._lock = _lock(data)
        self.server = LocalServer(listening, data)
        self.learners = [
            LearnerProcess(
                f"learner-{number}",
                server=self.server.url,
                token=self.server.token,
                data=data,
                say=say,
            )
            for number in range(1, learners + 1)
        ]

    def stop(self) -> None:
        """End the learners, then the server; may be called twice."""
        for learner in self.learners:
            learner.stop()
        for learner in self.learners:
            if not learner.join(PATIENCE_SECONDS):
                learner.kill()
                learner.join()
        self.server.stop()
        self._lock.close()

    def hurry(self) -> None:
        """Let a ``stop`` that is under way, or comes, end at once; for signal handlers."""
        # In a thread: the main one, which the signal interrupts, may hold what a kill waits for.
        for learner in self.learners:
            threading.Thread(target=learner.kill).start()

    def __enter__(self) -> Self:
        self.server.start()
        for learner in self.learners:
            learner.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
