"""Iterations a second of the seed's job: our bare loop against those people write by hand.

All train the built-in ``Generator`` and ``Discriminator`` with the seed's keys and do the same
arithmetic. The tutorial's loop reads images through transforms and a DataLoader, makes its target
tensors in every iteration, lets the discriminator gather gradients that nobody uses, and reads
three losses an iteration. The eager loop is the same without the DataLoader and the reading: its
images lie in memory as tensors and are drawn by index. The loops take turns, another one first in
every round, so that what else the machine does falls on all of them.

    python3 run.py bench seed_loop [--data DIR] [--iterations 1000] [--rounds 5] [--threads 1]
                                   [--json]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ganforge.networks import BUILTIN
from ganforge_learner import streams
from ganforge_learner.dataset_files.idx import find_idx
from ganforge_learner.datasets import Dataset, load_dataset
from ganforge_learner.networks import build_network, initialise
from ganforge_learner.strategies import GANLearningStrategy

SEED_JOB: dict[str, Any] = {
    "generatorDim": 10,
    "batchSize": 16,
    "method": "SGD",
    "learningRate": 0.001,
    "momentum": 0.9,
    "seed": 0,
}
WARM_UP = 50
"""Iterations before the clock starts: the first ones pay for torch's lazy initialisation."""

Step = Callable[[int], object]


class TutorialImages(TorchDataset[tuple[Tensor, int]]):
    """Images as torchvision's MNIST gives them: through PIL, ToTensor and Normalize."""

    def __init__(self, pixels_NHW: npt.NDArray[np.uint8]) -> None:
        self._pixels_NHW = torch.from_numpy(pixels_NHW)

    def __len__(self) -> int:
        return len(self._pixels_NHW)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self._pixels_NHW[index].numpy())
        array = torch.from_numpy(np.array(image, np.uint8, copy=True))
        scaled = array.view(image.size[1], image.size[0], 1).permute(2, 0, 1).contiguous() / 255
        mean, std = torch.tensor([0.5]), torch.tensor([0.5])
        return scaled.sub_(mean[:, None, None]).div_(std[:, None, None]), 0


def our_loop(dataset: Dataset) -> Step:
    """Set up GANLearningStrategy as a learner does, and give its iteration."""
    strategy = GANLearningStrategy()
    strategy.setup(SEED_JOB, dataset, *make_networks())
    return strategy.process_iteration


def tutorial_loop(dataset: Dataset) -> Step:
    """Set up the same training in a tutorial's words, and give its iteration."""
    iterate = hand_written_iteration()
    batches = endless(
        DataLoader(
            TutorialImages(to_pixels(dataset)),
            batch_size=SEED_JOB["batchSize"],
            shuffle=True,
            drop_last=True,
        )
    )

    def step(i: int) -> list[float]:
        real, _ = next(batches)
        return [loss.item() for loss in iterate(real)]

    return step


def eager_loop(dataset: Dataset) -> Step:
    """Set up the tutorial's training on tensors in memory, and give its iteration."""
    iterate, size = hand_written_iteration(), (SEED_JOB["batchSize"],)
    inputs = dataset.inputs
    return lambda i: iterate(inputs[torch.randint(len(inputs), size)])


def hand_written_iteration() -> Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]:
    """Give what tutorials do with a minibatch."""
    generator, discriminator = make_networks()
    rate, momentum = SEED_JOB["learningRate"], SEED_JOB["momentum"]
    generator_sgd = torch.optim.SGD(generator.parameters(), lr=rate, momentum=momentum)
    discriminator_sgd = torch.optim.SGD(discriminator.parameters(), lr=rate, momentum=momentum)
    criterion = nn.BCELoss()

    def iterate(real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        size = real.size(0)
        valid, fake = torch.full((size, 1), 0.85), torch.full((size, 1), 0.15)

        discriminator_sgd.zero_grad()
        real_loss = criterion(discriminator(real), valid)
        made = generator(torch.randn(size, SEED_JOB["generatorDim"]))
        fake_loss = criterion(discriminator(made.detach()), fake)
        (real_loss + fake_loss).backward()
        discriminator_sgd.step()

        generator_sgd.zero_grad()
        made = generator(torch.randn(size, SEED_JOB["generatorDim"]))
        loss = criterion(discriminator(made), valid)
        loss.backward()
        generator_sgd.step()
        return loss, real_loss, fake_loss

    return iterate


def make_networks() -> tuple[nn.Sequential, nn.Sequential]:
    """Build the seed's pair with the same first weights every time."""
    drawn = streams.stream(SEED_JOB["seed"], "initialisation")
    made = []
    for definition in BUILTIN[:2]:
        network = build_network(definition)
        initialise(network, definition, drawn)
        made.append(network)
    return made[0], made[1]


def endless(batches: DataLoader[tuple[Tensor, int]]) -> Iterator[list[Tensor]]:
    """Go through a loader again and again."""
    while True:
        yield from batches


def to_pixels(dataset: Dataset) -> npt.NDArray[np.uint8]:
    """Give a dataset's images as the bytes they were, shape (N, H, W)."""
    low, high = dataset.value_range
    scaled = (dataset.inputs[:, 0] - low) * (255 / (high - low))
    pixels: npt.NDArray[np.uint8] = scaled.round().to(torch.uint8).numpy()
    return pixels


def read_images(data: Path | None) -> Dataset:
    """Read MNIST from a data folder, or a folder of its files; without one, make noise."""
    if data is not None and find_idx("MNIST", data) is None:
        return load_dataset("MNIST", data)
    if data is not None:
        with tempfile.TemporaryDirectory(prefix="ganforge-bench-") as folder:
            (Path(folder) / "datasets").mkdir()
            (Path(folder) / "datasets" / "MNIST").symlink_to(data.resolve())
            return load_dataset("MNIST", Path(folder))
    noise = torch.rand(10_000, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Dataset("noise", noise, torch.zeros(10_000, dtype=torch.int64))


LOOPS = {"ours": our_loop, "eager": eager_loop, "tutorial": tutorial_loop}


def measure(step: Step, first: int, iterations: int) -> float:
    """Give iterations per second of wall-clock time."""
    began = time.perf_counter()
    for i in range(first, first + iterations):
        step(i)
    return iterations / (time.perf_counter() - began)


def compare(dataset: Dataset, *, iterations: int, rounds: int) -> dict[str, list[float]]:
    """Measure all loops in every round, in turns; iterations per second by loop."""
    steps = {name: make(dataset) for name, make in LOOPS.items()}
    for step in steps.values():
        measure(step, 0, WARM_UP)
    rates: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            first = WARM_UP + turn * iterations
            rates[name].append(measure(steps[name], first, iterations))
    return rates


def summarise(rates: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Give median, lowest and highest of each loop, and of the ratios within the rounds."""
    ratios = {
        f"ours/{name}": [a / b for a, b in zip(rates["ours"], rates[name], strict=True)]
        for name in rates
        if name != "ours"
    }
    return {
        name: {"median": statistics.median(row), "low": min(row), "high": max(row)}
        for name, row in {**rates, **ratios}.items()
    }


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="MNIST's IDX files, or a data folder")
    parser.add_argument("--iterations", type=int, default=1000, help="of each loop in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    arguments = read_arguments()
    torch.set_num_threads(arguments.threads)
    dataset = read_images(arguments.data)
    rates = compare(dataset, iterations=arguments.iterations, rounds=arguments.rounds)
    summary = summarise(rates)
    if arguments.json:
        told = {"dataset": dataset.name, "threads": arguments.threads, "torch": torch.__version__}
        print(json.dumps({**told, "summary": summary, "rounds": rates}, indent=2))
        return
    print(f"{dataset.name}, {arguments.rounds} rounds of {arguments.iterations} iterations each")
    for name, row in summary.items():
        unit = "x" if "/" in name else "it/s"
        spread = f"({row['low']:.2f} to {row['high']:.2f})"
        print(f"{name:>13}: {row['median']:8.2f} {unit:4} {spread}")


if __name__ == "__main__":
    main()
