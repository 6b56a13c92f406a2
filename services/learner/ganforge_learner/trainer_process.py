"""The agent's end of the trainer: a process that only trains."""

import logging
import multiprocessing
from pathlib import Path

from ganforge.errors import GanforgeError
from ganforge_learner import trainer_start
from ganforge_learner.messages import FromAgent, FromTrainer

logger = logging.getLogger(__name__)

# Forking a process that has threads, as the agent has, can deadlock; so start afresh.
_context = multiprocessing.get_context("spawn")


class TrainerDied(GanforgeError):
    """The trainer's process is gone: the job goes on in another one."""

    slug = "trainer-died"
    title = "Trainer died"


class TrainerProcess:
    """A trainer in a process of its own, warm from the start; may train one job after another.

    Its death is seen by the agent, and the agent's by it, as the end of the pipe between them.
    """

    def __init__(
        self, *, device: str, threads: int, data: Path, dataset_bytes: int | None = None
    ) -> None:
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(
            target=trainer_start.start,
            args=(theirs, device, threads, data, dataset_bytes),
            name="ganforge-trainer",
            daemon=True,
        )
        self._process.start()
        # Our copy of their end would keep the pipe open after their death.
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.is_alive()

    def tell(self, message: FromAgent) -> None:
        """Send a message; one to a dead trainer is dropped, its death is told by ``hear``."""
        try:
            self._pipe.send(message)
        except (BrokenPipeError, OSError):
            logger.debug("the trainer is gone", extra={"said": type(message).__name__})

    def hear(self, timeout_s: float | None = None) -> FromTrainer | None:
        """Receive a message; None when none came in time.

        Raises:
            TrainerDied: the process is gone.
        """
        try:
            if not self._pipe.poll(timeout_s):
                return None
            message: FromTrainer = self._pipe.recv()
            return message
        except (EOFError, OSError) as error:
            self._process.join(timeout=5)
            raise TrainerDied(
                f"the trainer's process ended (exit code {self._process.exitcode})"
            ) from error

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
