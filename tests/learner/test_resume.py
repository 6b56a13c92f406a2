"""A job that goes on from a snapshot ends with the same weights, bit for bit."""

from typing import Any

import pytest
import torch
from torch import nn

from ganforge.networks import NetworkDefinition
from ganforge_learner import state, streams, weights
from ganforge_learner.networks import build_network, initialise
from ganforge_learner.strategies import GANLearningStrategy
from tests.learner.gans import SEED_JOB, images

HALF = 50

GENERATOR = {
    "name": "G",
    "input": [10],
    "modules": [
        {"type": "Linear", "out": 16},
        {"type": "BatchNorm"},
        {"type": "ReLU"},
        {"type": "Dropout", "p": 0.2},
        {"type": "Linear", "out": 36},
        {"type": "Tanh"},
        {"type": "Unflatten", "shape": [1, 6, 6]},
    ],
}
DISCRIMINATOR = {
    "name": "D",
    "input": [1, 6, 6],
    "init": "dcgan",
    "modules": [
        {"type": "Conv2d", "out": 4, "kernel": 4, "stride": 2, "padding": 1},
        {"type": "BatchNorm"},
        {"type": "LeakyReLU"},
        {"type": "Dropout", "p": 0.3},
        {"type": "Flatten"},
        {"type": "Linear", "out": 1},
        {"type": "Sigmoid"},
    ],
}
METHODS: list[dict[str, Any]] = [
    {"method": "SGD", "learningRate": 0.01},
    {"method": "SGD", "momentum": 0.9, "decayRate": 0.0001},
    {"method": "SGD", "nesterov": 0.9, "decayRate": 0.01, "decayType": "EXPONENTIAL"},
    {"method": "ADAM", "l2": 0.001},
    {"method": "RMSPROP"},
    {"method": "ADAGRAD"},
    {"method": "ADADELTA"},
]


class Run:
    """A GAN with BatchNorm and Dropout in training, made as a trainer makes it.

    One at a time: Dropout draws from torch's global stream, of which a process has one.
    """

    def __init__(self, config: dict[str, Any], *, seed: int = 7) -> None:
        self.networks: list[nn.Sequential] = []
        drawn = streams.stream(seed, "initialisation")
        for told in (GENERATOR, DISCRIMINATOR):
            definition = NetworkDefinition.model_validate(told)
            network = build_network(definition)
            initialise(network, definition, drawn)
            self.networks.append(network)
        self.strategy = GANLearningStrategy()
        self.strategy.setup({**SEED_JOB, **config, "seed": seed}, images(), *self.networks)

    def train(self, first: int, last: int) -> list[float]:
        return [
            float(self.strategy.process_iteration(i).minibatch_loss) for i in range(first, last)
        ]

    def save(self) -> list[bytes]:
        return [state.dump(self.strategy.state_dict()), *map(weights.dump, self.networks)]

    def load(self, saved: list[bytes]) -> None:
        """As the trainer does: weights before the strategy is set up would be the same."""
        for network, data in zip(self.networks, saved[1:], strict=True):
            weights.load(data, network, "N")
        self.strategy.load_state_dict(state.load(saved[0]))


@pytest.mark.parametrize("sampling", ["UNIFORM", "SEQUENTIAL", "PERMUTATION"])
@pytest.mark.parametrize("method", METHODS, ids=lambda keys: "-".join(map(str, keys.values())))
def test_two_halves_are_one_whole(method: dict[str, Any], sampling: str) -> None:
    config = {**method, "sampling": sampling}
    whole = Run(config)
    whole.train(0, HALF)
    saved = whole.save()
    losses, end = whole.train(HALF, 2 * HALF), whole.save()
    torch.manual_seed(99)
    second = Run(config)
    second.load(saved)

    assert second.train(HALF, 2 * HALF) == losses
    assert second.save() == end


def test_drawing_the_grid_changes_nothing() -> None:
    silent = Run(METHODS[3])
    silent.train(0, 10)
    saved = silent.save()
    drawn = Run(METHODS[3])
    latents = drawn.strategy.grid_latents(64, 7)
    for i in range(10):
        drawn.strategy.draw_samples(latents)
        assert torch.equal(drawn.strategy.grid_latents(64, 7), latents)
        drawn.train(i, i + 1)
    assert drawn.save() == saved


def test_the_grid_is_drawn_as_in_use() -> None:
    run = Run({})
    latents = run.strategy.grid_latents(9, 7)
    assert torch.equal(run.strategy.draw_samples(latents), run.strategy.draw_samples(latents))
    assert run.strategy.generator.training


def test_taking_a_snapshot_changes_nothing() -> None:
    silent = Run({})
    silent.train(0, 10)
    wanted = silent.save()
    saved = Run({})
    for i in range(10):
        saved.save()
        saved.train(i, i + 1)
    assert saved.save() == wanted


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    ends = []
    for seed in (1, 1, 2):
        run = Run({}, seed=seed)
        run.train(0, 5)
        ends.append(run.save())
    same, again, other = ends
    assert same == again
    assert same[1] != other[1]
    assert same[2] != other[2]


def test_a_snapshot_is_a_copy() -> None:
    run = Run({"method": "ADAM", "sampling": "PERMUTATION"})
    run.train(0, 3)
    saved = run.save()
    copies = [bytes(data) for data in saved]
    run.train(3, 6)
    assert saved == copies


@pytest.mark.parametrize("sampling", ["SEQUENTIAL", "PERMUTATION"])
def test_every_sample_is_drawn_once_before_any_is_drawn_again(sampling: str) -> None:
    run = Run({"sampling": sampling, "batchSize": 15})
    drawn = torch.cat([run.strategy._sampler.draw().inputs for _ in range(6)])
    wanted = images().tensors[0]
    assert len({tuple(row) for row in drawn.flatten(1).tolist()}) == len(wanted)
    if sampling == "SEQUENTIAL":
        assert torch.equal(drawn, wanted)


def test_a_minibatch_may_be_larger_than_the_dataset() -> None:
    for sampling in ("UNIFORM", "SEQUENTIAL", "PERMUTATION"):
        run = Run({"sampling": sampling, "batchSize": 200})
        assert run.strategy._sampler.draw().inputs.shape == (200, 1, 6, 6)
        assert run.strategy._sampler.draw().inputs.shape == (200, 1, 6, 6)


def test_streams_of_different_purposes_and_neighbouring_seeds_are_unrelated() -> None:
    drawn = [
        torch.randn(1000, generator=streams.stream(seed, purpose))
        for seed in (0, 1, 2, 2**32, 2**53 - 1)
        for purpose in streams.PURPOSES
    ]
    correlations = torch.corrcoef(torch.stack(drawn)) - torch.eye(len(drawn))
    assert float(correlations.abs().max()) < 0.2
