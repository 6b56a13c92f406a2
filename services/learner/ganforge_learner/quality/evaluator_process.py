"""The agent's end of the evaluator: a process that judges generators, started when first asked."""

import multiprocessing
import threading
from pathlib import Path

from ganforge.errors import BY_SLUG, BadInput, GanforgeError
from ganforge_learner.outbox import Over
from ganforge_learner.quality import evaluator_start
from ganforge_learner.quality.messages import Answer, Question, Refused

POLL_SECONDS = 0.25

_context = multiprocessing.get_context("spawn")


class EvaluatorDied(GanforgeError):
    """The evaluator's process is gone: the next question starts another one."""

    slug = "evaluator-died"
    title = "Evaluator died"


class EvaluatorProcess:
    """An evaluator in a process of its own; ends with this one.

    Args:
        data: the data folder.
    """

    def __init__(self, data: Path) -> None:
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(
            target=evaluator_start.start,
            args=(theirs, data),
            name="ganforge-evaluator",
            daemon=True,
        )
        self._process.start()
        # Our copy of their end would keep the pipe open after their death.
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def ask(self, question: Question, over: threading.Event) -> Answer:
        """Ask, and wait for the answer.

        Raises:
            Over: it was not wanted any more; the process is gone then.
            EvaluatorDied: the process is gone.
            BadInput: it cannot be done.
        """
        try:
            self._pipe.send(question)
            while not self._pipe.poll(POLL_SECONDS):
                if over.is_set():
                    self.kill()  # it would answer the next question with this one's answer
                    raise Over
            answer: Answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(timeout=5)
            raise EvaluatorDied(
                f"the evaluator's process ended (exit code {self._process.exitcode})"
            ) from error
        if isinstance(answer, Refused):
            raise BY_SLUG.get(answer.slug, BadInput)(answer.detail)
        return answer

    def kill(self) -> None:
        """End the process at once; may be called twice."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
