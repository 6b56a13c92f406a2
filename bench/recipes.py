"""What a recipe comes to: its quality and its time, for several seeds, on one CPU thread.

Trains a recipe's networks by its strategy in this process, once for each seed, and measures the
generator (its moving average, where it has one) at the iterations asked for, by the judge that the
learner's evaluations use. The time is the training's own CPU time; measuring is left out. Prints
each measurement, then the median and the worst of the seeds.

    python3 run.py bench recipes NAME [key=value ...] --data DIR
        [--networks G,D] [--seeds 5] [--first-seed 100] [--at 2700,9000] [--json]

DIR is a data folder (``datasets/MNIST/...``), or a folder of MNIST's IDX files.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ganforge.cli import pairs
from ganforge.networks import BUILTIN
from ganforge.recipes import find_recipe
from ganforge_learner import registry, streams
from ganforge_learner.datasets import Dataset, load_dataset
from ganforge_learner.networks import build_network, initialise
from ganforge_learner.quality.evaluation import Reference
from ganforge_learner.quality.judge import RealImages, accuracy, define_judge, train_judge
from ganforge_learner.strategy import LearningStrategy

SAMPLES = 5000
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
    real = RealImages(dataset.name, dataset.inputs, dataset.targets)
    judge = train_judge(real, define_judge(real))
    reference = Reference(real, judge, samples=SAMPLES)
    show(asked.json, judge=round(accuracy(judge, real), 4), samples=reference.samples)
    show(asked.json, floor=told(reference.floor.model_dump(by_alias=False)))
    at = [int(part) for part in asked.at.split(",")] if asked.at else [config["maxIterations"]]
    found: dict[int, list[dict[str, float]]] = {iteration: [] for iteration in at}
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for iteration, figures in train(networks, {**config, "seed": seed}, dataset, at, reference):
            found[iteration].append(figures)
            show(asked.json, seed=seed, iteration=iteration, **told(figures))
    for iteration, rows in found.items():
        for name, choose in (("median", statistics.median), ("worst", worst)):
            figures = {key: choose([row[key] for row in rows]) for key in SHOWN if key in rows[0]}
            if name == "worst" and "classes_covered" in figures:
                figures["classes_covered"] = min(row["classes_covered"] for row in rows)
            show(asked.json, of=name, iteration=iteration, **told(figures))


SHOWN = ("cpu_seconds", "fcd", "classes_covered", "class_kl", "coverage", "near_copies")


def worst(values: list[float]) -> float:
    """Give the highest; of all that is shown but the classes covered, more is worse."""
    return max(values)


def told(figures: dict[str, Any]) -> dict[str, float]:
    """Pick the figures to show."""
    return {key: round(figures[key], 3) for key in SHOWN if figures.get(key) is not None}


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
    reference: Reference,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train as the learner does, and give what the generator comes to at some iterations."""
    strategy = set_up(names, config, dataset)
    spent, began = 0.0, time.thread_time()
    for i in range(max(at)):
        strategy.process_iteration(i)
        if i + 1 in at:
            spent += time.thread_time() - began
            network = strategy.averages.get(0, strategy.generator)
            latents = strategy.grid_latents(reference.samples, 12345)
            figures = reference.measure(strategy.draw_samples(latents, network).cpu())
            yield (
                i + 1,
                {"cpu_seconds": spent, **figures.model_dump(by_alias=False, exclude_none=True)},
            )
            began = time.thread_time()


def set_up(names: list[str], config: dict[str, Any], dataset: Dataset) -> LearningStrategy:
    """Make the networks' first weights and the strategy as the learner does."""
    strategy = registry.find_strategy(config["strategy"])()
    strategy.setup(config, dataset, *make_networks(names, config["seed"]))
    return strategy


def make_networks(names: list[str], seed: int) -> list[torch.nn.Sequential]:
    """Build networks with the first weights a seed gives."""
    drawn = streams.stream(seed, "initialisation")
    networks = []
    for name in names:
        network = build_network(NETWORKS[name])
        initialise(network, NETWORKS[name], drawn)
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
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--at", help="iterations at which to measure; the last one when not given")
    parser.add_argument("--json", action="store_true")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    main()
