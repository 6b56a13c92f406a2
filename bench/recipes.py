"""What a recipe comes to: its quality and its time, for several seeds, on one CPU thread.

Trains a recipe's networks by its strategy in this process, once for each seed, and measures the
generator (its moving average, where it has one) at the iterations asked for, by the judge that the
learner's evaluations use and, as ``lenet_1`` and so on, by as many second judges as are asked for
(bench/lenet.py; for 28x28 images of ten classes). The time is the training's own CPU time;
measuring is left out. Prints each measurement, then the median and the worst of the seeds.

    python3 run.py bench recipes NAME [key=value ...] --data DIR [--lenets 3]
        [--networks G,D] [--seeds 5] [--first-seed 100] [--at 2700,9000] [--json]

DIR is a data folder (``datasets/MNIST/...``), or a folder of MNIST's IDX files.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.lenet import LeNet
from ganforge.cli import pairs
from ganforge.networks import BUILTIN, NetworkDefinition
from ganforge.recipes import find_recipe
from ganforge.wire.quality import Figures
from ganforge_learner import registry, streams
from ganforge_learner.datasets import Dataset, load_dataset
from ganforge_learner.networks import build_network, initialise
from ganforge_learner.quality.evaluation import Reference
from ganforge_learner.quality.judge import RealImages, accuracy, define_judge, train_judge
from ganforge_learner.strategy import LearningStrategy

SAMPLES = 5000
"""What the learner's own judge compares, where there are twice as many images."""
NETWORKS = {definition.name: definition for definition in BUILTIN}


def main() -> None:
    """Measure a recipe."""
    asked = arguments()
    torch.set_num_threads(1)
    recipe = find_recipe(asked.recipe)
    config = {**recipe.config, **pairs.parse(asked.pairs)}
    networks = asked.networks.split(",") if asked.networks else recipe.networks
    with data_folder(asked.data) as data:
        dataset = load_dataset(recipe.dataset, data)
    judges = Judges(dataset, lenets=asked.lenets)
    for facts in judges.about():
        show(asked.json, **facts)
    at = [int(part) for part in asked.at.split(",")] if asked.at else [config["maxIterations"]]
    found: dict[int, list[dict[str, float]]] = {iteration: [] for iteration in at}
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for iteration, figures in train(networks, {**config, "seed": seed}, dataset, at, judges):
            found[iteration].append(figures)
            show(asked.json, seed=seed, iteration=iteration, **figures)
    for iteration, rows in found.items():
        for name, choose in (("median", median), ("worst", worst)):
            figures = {key: choose(key, [row[key] for row in rows]) for key in rows[0]}
            show(asked.json, of=name, iteration=iteration, **figures)


class Judges:
    """The learner's own judge, and LeNets beside it.

    Args:
        dataset: real images.
        lenets: how many LeNets, of the seeds 1, 2, ...
    """

    def __init__(self, dataset: Dataset, *, lenets: int) -> None:
        real = RealImages(dataset.name, dataset.inputs, dataset.targets)
        network = train_judge(real, define_judge(real))
        self._accuracy = accuracy(network, real)
        self._reference = Reference(real, network, samples=SAMPLES)
        if lenets and real.classes_N is None:
            raise SystemExit("LeNet learns classes, and this dataset has none: leave out --lenets")
        self._lenets = {
            f"lenet_{seed}": LeNet(real.images_NCHW, real.classes_N, seed=seed)
            for seed in range(1, lenets + 1)
            if real.classes_N is not None
        }
        of_lenets = [lenet.samples for lenet in self._lenets.values()]
        self.samples = max([self._reference.samples, *of_lenets])

    def about(self) -> Iterator[dict[str, Any]]:
        """Tell of each judge how often it is right, how much it compares, and its floor."""
        own, floor = self._reference, told(self._reference.floor)
        yield {"judge": round(self._accuracy, 4), "samples": own.samples, "floor": floor}
        for name, lenet in self._lenets.items():
            floor = {name: round(lenet.floor, 3)}
            yield {"judge": round(lenet.accuracy, 4), "samples": lenet.samples, "floor": floor}

    def measure(self, images_NCHW: Tensor) -> dict[str, float]:
        """Give every judge's figures of ``samples`` samples; each takes the first that it needs."""
        figures = told(self._reference.measure(images_NCHW[: self._reference.samples]))
        for name, lenet in self._lenets.items():
            figures[name] = round(lenet.distance(images_NCHW[: lenet.samples]), 3)
        return figures


SHOWN = ("fcd", "classes_covered", "class_kl", "coverage", "near_copies")
MORE_IS_BETTER = ("classes_covered", "coverage")


def median(_: str, values: list[float]) -> float:
    """Give the median."""
    return statistics.median(values)


def worst(key: str, values: list[float]) -> float:
    """Give the worst: the lowest where more is better, else the highest."""
    return min(values) if key in MORE_IS_BETTER else max(values)


def told(figures: Figures) -> dict[str, float]:
    """Pick the figures to show."""
    known = figures.model_dump(by_alias=False, exclude_none=True)
    return {key: round(known[key], 3) for key in SHOWN if key in known}


def show(as_json: bool, **facts: Any) -> None:
    """Print one line."""
    if as_json:
        print(json.dumps(facts), flush=True)
    else:
        print("  ".join(f"{name} {value}" for name, value in facts.items()), flush=True)


def train(
    names: list[str],
    config: dict[str, Any],
    dataset: Dataset,
    at: list[int],
    judges: Judges,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train as the learner does, and give what the generator comes to at some iterations."""
    strategy = set_up(names, config, dataset)
    spent, began = 0.0, time.thread_time()
    for i in range(max(at)):
        strategy.process_iteration(i)
        if i + 1 in at:
            spent += time.thread_time() - began
            network = strategy.averages.get(0, strategy.generator)
            latents = strategy.grid_latents(judges.samples, 12345)
            figures = judges.measure(strategy.draw_samples(latents, network).cpu())
            yield i + 1, {"cpu_seconds": round(spent, 1), **figures}
            began = time.thread_time()


def set_up(names: list[str], config: dict[str, Any], dataset: Dataset) -> LearningStrategy:
    """Make the networks' first weights and the strategy as the learner does."""
    strategy = registry.find_strategy(config["strategy"])()
    definitions = [NETWORKS[name] for name in names]
    strategy.setup(config, dataset, *build_networks(definitions, config["seed"]))
    return strategy


def build_networks(
    definitions: Sequence[NetworkDefinition], seed: int
) -> list[torch.nn.Sequential]:
    """Build networks with the first weights a seed gives."""
    drawn = streams.stream(seed, "initialisation")
    networks = []
    for definition in definitions:
        network = build_network(definition)
        initialise(network, definition, drawn)
        networks.append(network)
    return networks


@contextmanager
def data_folder(given: Path) -> Iterator[Path]:
    """Give a data folder; a folder of MNIST's files is put into one."""
    if (given / "datasets").is_dir():
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="ganforge-bench-") as folder:
        (Path(folder) / "datasets").mkdir()
        (Path(folder) / "datasets" / "MNIST").symlink_to(given.resolve())
        yield Path(folder)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe")
    parser.add_argument("pairs", nargs="*", metavar="key=value")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--networks", help="in place of the recipe's")
    parser.add_argument("--lenets", type=int, default=0, help="how many second judges to ask")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--at", help="iterations at which to measure; the last one when not given")
    parser.add_argument("--json", action="store_true")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    main()
