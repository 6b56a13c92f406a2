"""Whether gradient penalties stay finite under bfloat16: counts what is not, over many iterations.

Trains WGANGPLearningStrategy and R3GANLearningStrategy with precision=BFLOAT16 on scikit-learn's
digits; the penalties are computed in float32. Prints, for each, how many iterations had a loss
that is not finite, the largest penalty, and whether the weights are finite in the end.

    python3 run.py bench long_penalties [--iterations 10000] [--seed 0] [--json]
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch

from ganforge.networks import NetworkDefinition
from ganforge_learner import registry, streams
from ganforge_learner.datasets import load_dataset
from ganforge_learner.networks import build_network, initialise

GENERATOR = NetworkDefinition.model_validate(
    {
        "name": "G",
        "input": [10],
        "modules": [
            {"type": "Linear", "out": 256, "bias": False},
            {"type": "BatchNorm"},
            {"type": "ReLU"},
            {"type": "Unflatten", "shape": [16, 4, 4]},
            {"type": "ConvTranspose2d", "out": 1, "kernel": 4, "stride": 2, "padding": 1},
            {"type": "Tanh"},
        ],
    }
)
CRITIC = NetworkDefinition.model_validate(
    {
        "name": "C",
        "input": [1, 8, 8],
        "modules": [
            {"type": "Conv2d", "out": 16, "kernel": 4, "stride": 2, "padding": 1},
            {"type": "LeakyReLU"},
            {"type": "Conv2d", "out": 32, "kernel": 4, "stride": 2, "padding": 1},
            {"type": "LeakyReLU"},
            {"type": "Flatten"},
            {"type": "Linear", "out": 1},
        ],
    }
)
STRATEGIES: dict[str, dict[str, Any]] = {
    "WGANGPLearningStrategy": {"Diterations": 1},
    "R3GANLearningStrategy": {"gamma": 1.0},
}


def main() -> None:
    """Train both and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--iterations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name, keys in STRATEGIES.items():
        found = {"strategy": name, **train(name, keys, asked.iterations, asked.seed)}
        if asked.json:
            print(json.dumps(found), flush=True)
        else:
            print("  ".join(f"{key} {value}" for key, value in found.items()), flush=True)


def train(name: str, keys: dict[str, Any], iterations: int, seed: int) -> dict[str, Any]:
    """Train one strategy, and tell what was not finite."""
    drawn = streams.stream(seed, "initialisation")
    networks = [build_network(definition) for definition in (GENERATOR, CRITIC)]
    for network, definition in zip(networks, (GENERATOR, CRITIC), strict=True):
        initialise(network, definition, drawn)
    strategy = registry.find_strategy(name)()
    config = {"generatorDim": 10, "batchSize": 32, "precision": "BFLOAT16", "seed": seed, **keys}
    strategy.setup(config, load_dataset("digits", Path()), *networks)
    broken, largest = 0, 0.0
    for i in range(iterations):
        progress = strategy.process_iteration(i)
        losses = [float(progress.minibatch_loss), *map(float, progress.extra.values())]
        broken += not all(map(math.isfinite, losses))
        penalties = [float(v) for key, v in progress.extra.items() if "enalty" in key]
        largest = max([largest, *penalties])
    finite = all(bool(torch.isfinite(p).all()) for n in networks for p in n.parameters())
    return {
        "iterations": iterations,
        "not_finite": broken,
        "largest_penalty": round(largest, 3),
        "weights_finite": finite,
    }


if __name__ == "__main__":
    main()
