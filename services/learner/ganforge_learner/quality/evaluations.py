"""The evaluations of a job in training: one after the other, and never in training's way."""

import logging
import shutil
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ganforge.networks import NetworkDefinition
from ganforge.wire.quality import Quality
from ganforge_learner.outbox import Over
from ganforge_learner.quality.assessor import Assessor, why

logger = logging.getLogger(__name__)

SAMPLES = 8000
SEED = 0
MOST_WAITING = 8
"""Versions that wait for their turn; the oldest makes room for a newer one."""


@dataclass(frozen=True)
class Candidate:
    """A version of a generator that is to be evaluated; its file is the queue's own."""

    iteration: int
    definition: NetworkDefinition
    version: int
    weights: Path


class Evaluations:
    """Evaluates versions in a thread; when they come too fast, some are left out.

    Whatever goes wrong is logged and costs that evaluation, never the job.

    Args:
        assessor: evaluates.
        dataset: what to compare with.
        folder: where versions wait.
        over: when set, nothing more is evaluated.
        keep: takes what came out.
    """

    def __init__(
        self,
        assessor: Assessor,
        dataset: str,
        *,
        folder: Path,
        over: threading.Event,
        keep: Callable[[Candidate, Quality], None],
    ) -> None:
        self._assessor = assessor
        self._dataset = dataset
        self._folder = folder
        self._over = over
        self._keep = keep
        self._changed = threading.Condition()
        self._waiting: deque[Candidate] = deque()
        self._is_busy = False
        self._thread = threading.Thread(target=self._run, name="evaluations", daemon=True)
        self._thread.start()

    def offer(
        self, iteration: int, definition: NetworkDefinition, version: int, weights: Path
    ) -> None:
        """Have a version evaluated; the file is copied, so that it may go."""
        own = self._folder / f"evaluation-{version}.safetensors"
        try:
            shutil.copyfile(weights, own)
        except OSError as error:
            logger.warning("a version could not be evaluated", extra={"why": str(error)})
            return
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                late = self._waiting.popleft()
                logger.info(
                    "a version goes unevaluated: newer ones are there; a larger evalInterval helps",
                    extra={"iteration": late.iteration},
                )
                late.weights.unlink(missing_ok=True)
            self._waiting.append(Candidate(iteration, definition, version, own))
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until everything that was offered is evaluated, or nothing more will be."""
        with self._changed:
            while (self._waiting or self._is_busy) and not self._over.is_set():
                self._changed.wait(0.1)

    def close(self) -> None:
        """Wait for the thread to end; ``over`` has to be set."""
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting), timeout=0.1)
                candidate = self._waiting.popleft() if self._waiting else None
                self._is_busy = candidate is not None
            if candidate is None:
                continue
            self._evaluate(candidate)
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()

    def _evaluate(self, candidate: Candidate) -> None:
        try:
            quality = self._assessor.assess(
                self._dataset,
                candidate.definition,
                candidate.weights,
                samples=SAMPLES,
                seed=SEED,
                over=self._over,
            )
            self._keep(candidate, quality)
        except Over:
            pass
        except Exception as error:  # an evaluation must not cost the job
            facts = {"iteration": candidate.iteration, "why": why(error)}
            logger.warning("a version could not be evaluated", extra=facts)
        finally:
            candidate.weights.unlink(missing_ok=True)
