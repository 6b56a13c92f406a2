"""Small GANs to train in tests."""

from typing import Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

from ganforge_learner.strategies import GANLearningStrategy

SEED_JOB: dict[str, Any] = {
    "generatorDim": 10,
    "batchSize": 16,
    "method": "SGD",
    "learningRate": 0.001,
    "momentum": 0.9,
}
"""The keys of the job this project began with."""


def perceptrons(
    seed: int = 0, *, hidden: int = 24, dim: int = 10, dtype: torch.dtype = torch.float32
) -> tuple[nn.Sequential, nn.Sequential]:
    """Make a generator and a discriminator of 6x6 images."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = nn.Sequential(
            nn.Linear(dim, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 36),
            nn.Tanh(),
            nn.Unflatten(1, (1, 6, 6)),
        )
        discriminator = nn.Sequential(
            nn.Flatten(),
            nn.Linear(36, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
            nn.Sigmoid(),
        )
    return generator.to(dtype), discriminator.to(dtype)


def images(count: int = 90, *, dtype: torch.dtype = torch.float32) -> TensorDataset:
    """Make images that are not noise, with their classes."""
    drawn = torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(11))
    inputs = (torch.linspace(-1, 1, 36).reshape(1, 6, 6) + drawn - 0.5).clamp(-1, 1)
    return TensorDataset(inputs.to(dtype), torch.arange(count) % 10)


def trained(
    iterations: int, config: dict[str, Any] | None = None, *, seed: int = 3
) -> GANLearningStrategy:
    """Train perceptrons on images."""
    strategy = GANLearningStrategy()
    strategy.setup({**SEED_JOB, "seed": seed, **(config or {})}, images(), *perceptrons())
    for i in range(iterations):
        strategy.process_iteration(i)
    return strategy
