"""Whether gradient penalties stay finite over a long training in bfloat16.

Trains WGANGPLearningStrategy and R3GANLearningStrategy on small convolutional networks with
precision=BFLOAT16, reads every loss of every iteration, and counts those that are not finite; at
the end the weights are read too. With --precision FLOAT32 the same in float32.

    python3 run.py bench long_penalties [--iterations 10000] [--precision BFLOAT16] [--threads 1]
"""

import argparse
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ganforge_learner import registry
from ganforge_learner.datasets import Dataset, load_dataset
from ganforge_learner.strategy import LearningStrategy

SEED = 0
STRATEGIES: dict[str, dict[str, Any]] = {
    "WGANGPLearningStrategy": {"Diterations": 1},
    "R3GANLearningStrategy": {},
}
READ_EVERY = 500
"""Iterations between two readings of the losses, which wait on the device until then."""


def make_networks() -> tuple[nn.Module, nn.Module]:
    """Build a small convolutional pair of 8x8 images, with the same first weights every time."""
    torch.manual_seed(SEED)
    generator = nn.Sequential(
        nn.Linear(10, 128),
        nn.ReLU(),
        nn.Unflatten(1, (32, 2, 2)),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    critic = nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128, 1),
    )
    return generator, critic


def train(name: str, dataset: Dataset, *, iterations: int, precision: str) -> dict[str, Any]:
    """Train, and count what is not finite."""
    networks = make_networks()
    strategy = registry.find_strategy(name)()
    config = {"generatorDim": 10, "batchSize": 16, "seed": SEED, "precision": precision}
    strategy.setup({**config, **STRATEGIES[name]}, dataset, *networks)
    began = time.perf_counter()
    broken = read = 0
    largest: dict[str, float] = {}
    for first in range(0, iterations, READ_EVERY):
        last = min(first + READ_EVERY, iterations)
        losses = read_losses(strategy, first, last)
        for key, column in losses.items():
            broken += int((~torch.isfinite(column)).sum())
            read += len(column)
            largest[key] = max(largest.get(key, 0.0), float(column.abs().max()))
    weights = [p for network in networks for p in network.parameters()]
    return {
        "losses read": read,
        "not finite": broken,
        "weights not finite": sum(int((~torch.isfinite(weight)).sum()) for weight in weights),
        "largest": {key: round(value, 3) for key, value in largest.items()},
        "iterations/s": round(iterations / (time.perf_counter() - began), 1),
    }


def read_losses(strategy: LearningStrategy, first: int, last: int) -> dict[str, torch.Tensor]:
    """Train some iterations and read their losses, one column for each."""
    columns: dict[str, list[torch.Tensor]] = {}
    for i in range(first, last):
        progress = strategy.process_iteration(i)
        for key, loss in {"minibatchLoss": progress.minibatch_loss, **progress.extra}.items():
            columns.setdefault(key, []).append(torch.as_tensor(loss))
    return {key: torch.stack(column) for key, column in columns.items()}


def main() -> None:
    """Train each and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--precision", choices=["FLOAT32", "BFLOAT16"], default="BFLOAT16")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    dataset = load_dataset("digits", Path())
    for name in STRATEGIES:
        told = train(name, dataset, iterations=arguments.iterations, precision=arguments.precision)
        print(f"{name}, {arguments.iterations} iterations, {arguments.precision}")
        for key, value in told.items():
            print(f"  {key}: {value}")


if __name__ == "__main__":
    main()
