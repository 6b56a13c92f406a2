"""The assessor: has generators evaluated, by the judge that the repository keeps."""

import logging
import shutil
import threading
from pathlib import Path

from ganforge import digest as digests
from ganforge.errors import GanforgeError, NotFound
from ganforge.networks import NetworkDefinition
from ganforge.repository import RepositoryClient
from ganforge.wire.quality import Judge, Quality
from ganforge_learner.outbox import Over, persist
from ganforge_learner.quality.evaluator_process import EvaluatorDied, EvaluatorProcess
from ganforge_learner.quality.messages import (
    Evaluate,
    Evaluated,
    Open,
    Opened,
    Question,
    Trained,
    TrainJudge,
)

logger = logging.getLogger(__name__)

TAG_DIGITS = 16
"""Of the dataset's digest, in the tag its judge stands under."""
FIRST = 1
"""A judge is its tag's first version, whoever else brings another: figures must be comparable."""


class Assessor:
    """Has generators evaluated, in one process that is started when it is first needed.

    Args:
        repository: keeps the judges.
        data: the data folder.
        folder: for the judges' weights; emptied by ``close``.
    """

    def __init__(self, repository: RepositoryClient, *, data: Path, folder: Path) -> None:
        self._repository = repository
        self._data = data
        self._folder = folder
        self._process: EvaluatorProcess | None = None
        self._turn = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The evaluator's process id; None while there is none."""
        return None if self._process is None else self._process.pid

    def assess(
        self,
        dataset: str,
        definition: NetworkDefinition,
        weights: Path,
        *,
        samples: int,
        seed: int,
        over: threading.Event,
    ) -> Quality:
        """Evaluate a generator; of several callers one waits for the other.

        Args:
            dataset: what to compare with.
            definition: the generator's.
            weights: its safetensors file.
            samples: how many to draw; never more than half of the dataset.
            seed: what the latents are drawn from.
            over: when set, nobody waits any more.

        Raises:
            Over: ``over`` was set.
            EvaluatorDied: the evaluator's process died; the next call starts another one.
            GanforgeError: it cannot be done; the words say why.
        """
        with self._turn:
            opened = self._ask(Open(dataset), over)
            assert isinstance(opened, Opened)
            tag = opened.digest.removeprefix("sha256:")[:TAG_DIGITS]
            judge = self._find_judge(opened.judge, tag, over)
            judge_digest = digests.of_file(judge)
            question = Evaluate(judge, judge_digest, definition, weights, samples, seed)
            told = self._ask(question, over)
            assert isinstance(told, Evaluated)
        return Quality(
            **told.figures.model_dump(by_alias=False),
            dataset=dataset,
            samples=told.samples,
            seed=seed,
            judge=Judge(
                network=opened.judge.name,
                tag=tag,
                digest=judge_digest,
                accuracy=told.accuracy,
                task=opened.task,
            ),
            floor=told.floor,
        )

    def close(self) -> None:
        """End the evaluator's process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _find_judge(self, definition: NetworkDefinition, tag: str, over: threading.Event) -> Path:
        """Fetch the dataset's judge; train it first where there is none yet."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{definition.name}-{tag}.safetensors"
        if not path.exists() and not self._pull(definition.name, tag, path, over):
            self._train(definition, tag, over)
            self._pull(definition.name, tag, path, over)
        return path

    def _pull(self, name: str, tag: str, path: Path, over: threading.Event) -> bool:
        try:
            persist(lambda: self._repository.pull(name, tag, FIRST, to=path), over)
        except NotFound:
            return False
        return True

    def _train(self, definition: NetworkDefinition, tag: str, over: threading.Event) -> None:
        """Train a judge and bring it."""
        logger.info("training a judge", extra={"judge": definition.name})
        made = self._folder / f"new-{definition.name}.safetensors"
        trained = self._ask(TrainJudge(made), over)
        assert isinstance(trained, Trained)
        facts = {"judge": definition.name, "accuracy": trained.accuracy}
        logger.info("a judge is trained", extra=facts)
        described = definition.model_dump(mode="json")
        persist(lambda: self._repository.put_network(definition.name, described), over)
        persist(lambda: self._repository.push(definition.name, tag, made), over)
        made.unlink()

    def _ask(self, question: Question, over: threading.Event) -> object:
        if self._process is None:
            self._process = EvaluatorProcess(self._data)
        try:
            return self._process.ask(question, over)
        except (Over, EvaluatorDied):
            self._process.kill()
            self._process = None
            raise


def why(error: Exception) -> str:
    """Say what went wrong with an evaluation."""
    return error.detail if isinstance(error, GanforgeError) else f"{type(error).__name__}: {error}"
