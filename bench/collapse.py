"""When the collapse alarm rings, beside when a judge sees the collapse.

Trains the seed's perceptrons on MNIST, on one CPU thread: healthy runs (ADAM, low rates), and runs
that are healthy for 3,000 iterations and are then made to collapse, by a generator's learning rate
25 times as high. Every 100 iterations the alarm looks, and a judge (a classifier, as evaluations
have it) counts the digits that make up more than 1 % of 512 samples; two or fewer are a collapse.
Prints, for each run, the iterations of the first collapse and of the first ring, and the rings at
looks where the judge saw more than five digits.

    python3 run.py bench collapse --data DIR [--seeds 3] [--first-seed 200] [--json]

DIR is a data folder (``datasets/MNIST/...``), or a folder of MNIST's IDX files.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from bench.recipes import data_folder, make_networks
from ganforge_learner.collapse_alarm import FAKES, LOOK_INTERVAL, CollapseAlarm
from ganforge_learner.datasets import Dataset, load_dataset
from ganforge_learner.quality import judge as judges
from ganforge_learner.quality.judge import RealImages, define_judge, train_judge
from ganforge_learner.strategies import GANLearningStrategy

NETWORKS = ["Generator", "Discriminator"]
HEALTHY: dict[str, Any] = {
    "strategy": "GANLearningStrategy",
    "generatorDim": 10,
    "batchSize": 64,
    "method": "ADAM",
    "learningRate": 2e-4,
    "beta1": 0.5,
}
HEALTHY_ITERATIONS, SICK_ITERATIONS = 3000, 3000
FACTOR = 25
JUDGED = 512


def main() -> None:
    """Train, look and judge."""
    asked = arguments()
    torch.set_num_threads(1)
    with data_folder(asked.data) as data:
        dataset = load_dataset("MNIST", data)
    real = RealImages(dataset.name, dataset.inputs, dataset.targets)
    judge = train_judge(real, define_judge(real))
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for kind in ("healthy", "made to collapse"):
            found = watch(dataset, judge, seed, is_sick=kind != "healthy")
            if asked.json:
                print(json.dumps({"run": kind, "seed": seed, **found}), flush=True)
            else:
                facts = "  ".join(f"{name} {value}" for name, value in found.items())
                print(f"{kind}  seed {seed}  {facts}", flush=True)


def watch(
    dataset: Dataset, judge: torch.nn.Sequential, seed: int, *, is_sick: bool
) -> dict[str, Any]:
    """Train one run, and tell when it collapsed and when the alarm rang."""
    networks = make_networks(NETWORKS, seed)
    strategy = GANLearningStrategy()
    strategy.setup({**HEALTHY, "seed": seed}, dataset, *networks)
    alarm = CollapseAlarm(dataset)
    looked, judged = (strategy.grid_latents(count, seed) for count in (FAKES, JUDGED))
    collapsed: int | None = None
    rang: int | None = None
    false_rings = 0
    for i in range(HEALTHY_ITERATIONS + SICK_ITERATIONS):
        if is_sick and i == HEALTHY_ITERATIONS:
            sick = {**HEALTHY, "seed": seed, "generatorLearningRate": FACTOR * 2e-4}
            state = strategy.state_dict()
            strategy.setup(sick, dataset, *networks)
            strategy.load_state_dict(state)
        strategy.process_iteration(i)
        if (i + 1) % LOOK_INTERVAL:
            continue
        rings = alarm.look(strategy.draw_samples(looked)) is not None
        digits = count_classes(judge, strategy.draw_samples(judged))
        if digits <= 2 and collapsed is None and i >= HEALTHY_ITERATIONS:
            collapsed = i + 1
        if rings and rang is None:
            rang = i + 1
        false_rings += rings and digits > 5
    return {"collapsed": collapsed, "rang": rang, "false_rings": false_rings}


def count_classes(judge: torch.nn.Sequential, samples: torch.Tensor) -> int:
    """Count the classes that make up more than 1 % of samples."""
    _, logits = judges.judge(judge, samples)
    return int((torch.bincount(logits.argmax(1)) > len(samples) / 100).sum())


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
