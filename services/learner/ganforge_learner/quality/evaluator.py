"""The evaluator: a process with one thread that judges generators, beside the trainer's."""

import os
import signal
import threading
from collections import OrderedDict
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor, nn

from ganforge.errors import BadInput, GanforgeError
from ganforge.networks import NetworkDefinition, check_evaluation_fit
from ganforge_learner import streams, weights
from ganforge_learner.datasets import load_dataset
from ganforge_learner.networks import build_network, load_generator
from ganforge_learner.quality import judge as judges
from ganforge_learner.quality.evaluation import Reference
from ganforge_learner.quality.judge import RealImages, define_judge, train_judge
from ganforge_learner.quality.messages import (
    Answer,
    Evaluate,
    Evaluated,
    Open,
    Opened,
    Question,
    Refused,
    Trained,
    TrainJudge,
)

NICENESS = 10
DRAWN_AT_ONCE = 500
MOST_IMAGES = 60_000
"""Of a larger dataset so many are compared with, drawn once for all."""


class Evaluator:
    """Answers questions; keeps the dataset that is open, its judge and its floor.

    Args:
        data: the data folder.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._real: RealImages | None = None
        self._definition: NetworkDefinition | None = None
        self._accuracy = 0.0
        self._references: OrderedDict[tuple[str, int], Reference] = OrderedDict()

    def answer(self, question: Question) -> Answer:
        """Answer a question; every error of ours becomes words."""
        try:
            match question:
                case Open():
                    return self._open(question.dataset)
                case TrainJudge():
                    return self._train(question.to)
                case Evaluate():
                    return self._evaluate(question)
        except GanforgeError as error:
            return Refused(error.slug, error.detail)

    def _open(self, name: str) -> Opened:
        if self._real is None or self._real.name != name:
            self._real = read_images(name, self._data)
            self._definition = define_judge(self._real)
            self._references.clear()
        real, definition = self._opened()
        return Opened(real.digest(), definition, real.task)

    def _opened(self) -> tuple[RealImages, NetworkDefinition]:
        if self._real is None or self._definition is None:
            raise BadInput("open a dataset first")
        return self._real, self._definition

    def _train(self, to: Path) -> Trained:
        real, definition = self._opened()
        network = train_judge(real, definition)
        to.write_bytes(weights.dump(network))
        return Trained(judges.accuracy(network, real))

    def _evaluate(self, question: Evaluate) -> Evaluated:
        reference = self._reference(question)
        real, _ = self._opened()
        drawn_NCHW = draw(
            question.definition,
            question.weights,
            count=reference.samples,
            seed=question.seed,
            real=real,
        )
        figures = reference.measure(drawn_NCHW)
        return Evaluated(figures, reference.floor, reference.samples, self._accuracy)

    def _reference(self, question: Evaluate) -> Reference:
        """Find the floor and its like, or work them out: they are the same for every generator."""
        key = question.judge_digest, question.samples
        if key not in self._references:
            real, definition = self._opened()
            network: nn.Sequential = build_network(definition)
            weights.load(question.judge, network, definition.name)
            network.eval().requires_grad_(False)
            self._accuracy = judges.accuracy(network, real)
            self._references.clear()  # one is enough, and holds half of the data
            self._references[key] = Reference(real, network, samples=question.samples)
        return self._references[key]


def read_images(name: str, data: Path) -> RealImages:
    """Read a dataset, or as much of it as is compared with.

    Raises:
        UnknownName: the data folder has none of this name.
    """
    dataset = load_dataset(name, data)
    samples, classes = dataset.samples, dataset.targets
    if len(samples) > MOST_IMAGES:
        order_N = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))
        kept_N = order_N[:MOST_IMAGES].sort().values
        samples, classes = samples[kept_N], None if classes is None else classes[kept_N]
    return RealImages(name, dataset.scaled(samples), classes)


@torch.no_grad()
def draw(
    definition: NetworkDefinition, file: Path, *, count: int, seed: int, real: RealImages
) -> Tensor:
    """Draw samples with a generator, shape (count, C, H, W).

    A generator that takes classes is given them as often as they are in the data.

    Raises:
        NetworkMisfit: it is no generator, or one of other samples or classes than the data's.
        BadWeights: the file does not fit the definition.
    """
    check_evaluation_fit(
        definition,
        sample_shape=tuple(real.images_NCHW.shape[1:]),
        classes=real.class_count if real.task == judges.CLASSES else None,
    )
    generator = load_generator(file, definition)
    stream = streams.stream(seed, "evaluation")
    latents_NZ = torch.randn(count, *definition.input, generator=stream)
    given: tuple[Tensor, ...] = (latents_NZ,)
    if definition.classes and real.classes_N is not None:
        drawn_N = torch.randint(len(real.classes_N), (count,), generator=stream)
        given = latents_NZ, real.classes_N[drawn_N]
    blocks = zip(*(torch.split(each, DRAWN_AT_ONCE) for each in given), strict=True)
    return torch.cat([generator(*block) for block in blocks])


def main(pipe: "Connection[Answer, Question]", data: Path) -> None:
    """Answer the agent's questions, one after the other, until it is gone; the process's entry."""
    # Ctrl-C reaches the whole foreground group; the agent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_agent, name="agent's end", daemon=True).start()
    os.nice(NICENESS)
    torch.set_num_threads(1)
    evaluator = Evaluator(data)
    while True:
        try:
            question = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(evaluator.answer(question))


def _end_with_the_agent() -> None:
    """End when the agent does, also in the middle of an answer."""
    agent = parent_process()
    if agent is not None:
        agent.join()
        os._exit(1)
