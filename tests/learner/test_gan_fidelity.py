"""GANLearningStrategy does what the description of one GAN iteration says, number for number."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from ganforge.errors import BadInput, NetworkMisfit
from ganforge_learner import streams
from ganforge_learner.strategies import GANLearningStrategy
from tests.learner import plain
from tests.learner.gans import SEED_JOB, images, perceptrons
from tests.learner.plain import PlainGAN, Update, as_array, greatest_difference

ITERATIONS = 120
TOLERANCE = 1e-5

METHODS: dict[str, tuple[dict[str, Any], Callable[[], Update]]] = {
    "seed job": (SEED_JOB, plain.sgd(plain.constant(0.001), momentum=0.9)),
    "plain SGD": ({"learningRate": 0.05}, plain.sgd(plain.constant(0.05))),
    "default rate": ({}, plain.sgd(plain.constant(0.01))),
    "momentum": (
        {"learningRate": 0.02, "momentum": 0.8},
        plain.sgd(plain.constant(0.02), momentum=0.8),
    ),
    "nesterov": (
        {"learningRate": 0.02, "nesterov": 0.9},
        plain.sgd(plain.constant(0.02), nesterov=0.9),
    ),
    "l2": (
        {"learningRate": 0.05, "l2": 0.03, "momentum": 0.5},
        plain.sgd(plain.constant(0.05), momentum=0.5, l2=0.03),
    ),
    "linear decay": (
        {
            "learningRate": 0.1,
            "decayRate": 0.001,
            "decayType": "LINEAR",
            "minLearningRate": 0.01,
        },
        plain.sgd(plain.linear(0.1, 0.001, 0.01)),
    ),
    "linear is the default decay": (
        {"learningRate": 0.1, "decayRate": 0.001},
        plain.sgd(plain.linear(0.1, 0.001)),
    ),
    "exponential decay": (
        {
            "learningRate": 0.1,
            "decayRate": 0.03,
            "decayType": "EXPONENTIAL",
            "minLearningRate": 0.005,
            "momentum": 0.5,
        },
        plain.sgd(plain.exponential(0.1, 0.03, 0.005), momentum=0.5),
    ),
    "ADAM": ({"method": "ADAM"}, plain.adam(0.001, 0.9, 0.999)),
    "ADAM for GANs": (
        {"method": "ADAM", "learningRate": 0.0002, "beta1": 0.5, "beta2": 0.99},
        plain.adam(0.0002, 0.5, 0.99),
    ),
    "RMSPROP": ({"method": "RMSPROP"}, plain.rmsprop(0.001, 0.9)),
    "RMSPROP of another average": (
        {"method": "RMSPROP", "learningRate": 0.0005, "decayRate": 0.99, "epsilon": 1e-6},
        plain.rmsprop(0.0005, 0.99, 1e-6),
    ),
    "ADAGRAD": ({"method": "ADAGRAD"}, plain.adagrad(0.01)),
    "ADADELTA": ({"method": "ADADELTA"}, plain.adadelta()),
    "ADADELTA of another average": (
        {"method": "ADADELTA", "decayRate": 0.9, "epsilon": 1e-5},
        plain.adadelta(0.9, 1e-5),
    ),
}


class Draws:
    """What a strategy of this seed draws, drawn again from streams of our own."""

    def __init__(self, seed: int, inputs: torch.Tensor, *, batch_size: int, dim: int) -> None:
        self._inputs, self._batch_size, self._dim = inputs, batch_size, dim
        self._sampling = streams.stream(seed, "sampling")
        self._latents = streams.stream(seed, "latents")

    def real(self) -> plain.Array:
        shape = (self._batch_size,)
        chosen = torch.randint(len(self._inputs), shape, generator=self._sampling)
        return as_array(self._inputs[chosen])

    def latents(self) -> plain.Array:
        shape = (self._batch_size, self._dim)
        return as_array(torch.randn(shape, generator=self._latents, dtype=self._inputs.dtype))


@pytest.mark.parametrize("case", METHODS)
def test_every_number_is_that_of_the_transcription(case: str) -> None:
    keys, make_update = METHODS[case]
    config = {"generatorDim": 10, "batchSize": 16, **keys, "seed": 5}
    generator, discriminator = perceptrons(dtype=torch.float64)
    dataset = images(dtype=torch.float64)
    ours = PlainGAN(generator, discriminator, make_update)
    draws = Draws(5, dataset.tensors[0], batch_size=16, dim=10)
    strategy = GANLearningStrategy()
    strategy.setup(config, dataset, generator, discriminator)

    worst = 0.0
    for i in range(ITERATIONS):
        progress = strategy.process_iteration(i)
        told = ours.iterate(draws.real(), draws.latents(), draws.latents())
        extra = progress.extra
        said = (extra["dLossReal"], extra["dLossFake"], progress.minibatch_loss)
        assert progress.iteration == i
        worst = max(worst, *(abs(float(a) - b) for a, b in zip(said, told, strict=True)))
        worst = max(worst, greatest_difference(generator, ours.generator))
        worst = max(worst, greatest_difference(discriminator, ours.discriminator))

    assert worst < TOLERANCE


def test_the_seeds_networks_stay_with_the_transcription_in_single_precision() -> None:
    torch.manual_seed(1)
    generator = nn.Sequential(nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 784), nn.Tanh())
    discriminator = nn.Sequential(
        nn.Linear(784, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1), nn.Sigmoid()
    )
    inputs = torch.rand(200, 784, generator=torch.Generator().manual_seed(2)) * 2 - 1
    ours = PlainGAN(generator, discriminator, plain.sgd(plain.constant(0.001), momentum=0.9))
    draws = Draws(8, inputs, batch_size=16, dim=10)
    strategy = GANLearningStrategy()
    strategy.setup(
        {**SEED_JOB, "seed": 8}, TensorDataset(inputs, torch.zeros(200)), generator, discriminator
    )

    for i in range(120):
        progress = strategy.process_iteration(i)
        told = ours.iterate(draws.real(), draws.latents(), draws.latents())
        assert float(progress.minibatch_loss) == pytest.approx(told[2], abs=2e-5)

    assert greatest_difference(generator, ours.generator) < 2e-5
    assert greatest_difference(discriminator, ours.discriminator) < 2e-5


def test_a_probability_of_exactly_0_or_1_gives_a_finite_loss_and_no_slope() -> None:
    # As torch's clamp, whose slope is 0 outside: neither network moves.
    generator, discriminator = perceptrons()
    nn.init.constant_(list(discriminator.parameters())[-1], 200.0)
    before = [parameter.clone() for parameter in discriminator.parameters()]
    strategy = GANLearningStrategy()
    strategy.setup({**SEED_JOB, "seed": 1}, images(), generator, discriminator)

    progress = strategy.process_iteration(0)

    assert np.isfinite(float(progress.minibatch_loss))
    assert all(
        torch.equal(was, now) for was, now in zip(before, discriminator.parameters(), strict=True)
    )


def test_other_targets_are_used_when_they_are_given() -> None:
    generator, discriminator = perceptrons(dtype=torch.float64)
    dataset = images(dtype=torch.float64)
    draws = Draws(2, dataset.tensors[0], batch_size=16, dim=10)
    judged = as_array(discriminator(torch.from_numpy(draws.real())))
    strategy = GANLearningStrategy()
    config = {**SEED_JOB, "seed": 2, "targetReal": 1.0, "targetFake": 0.0}
    strategy.setup(config, dataset, generator, discriminator)

    progress = strategy.process_iteration(0)

    assert float(progress.extra["dLossReal"]) == pytest.approx(-np.log(judged).mean())


class Fans:
    """A dataset with no base class, of images in half precision."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not 0 <= index < 30:
            raise IndexError(index)
        return torch.full((1, 6, 6), index / 15 - 1, dtype=torch.float16), torch.tensor(index)


@pytest.mark.parametrize("dataset", [images(), Fans()], ids=["TensorDataset", "anything"])
def test_it_trains_without_any_server(dataset: Any) -> None:
    generator, discriminator = perceptrons()
    before = [
        parameter.clone() for net in (generator, discriminator) for parameter in net.parameters()
    ]
    strategy = GANLearningStrategy()
    strategy.setup(
        {
            "generatorDim": 10,
            "batchSize": 16,
            "method": "SGD",
            "learningRate": 0.001,
            "momentum": 0.9,
        },
        dataset,
        generator,
        discriminator,
    )

    for i in range(3):
        progress = strategy.process_iteration(i)
        assert progress.iteration == i
        assert 0 < float(progress.minibatch_loss) < 10
        assert set(progress.extra) == {"dLossReal", "dLossFake"}

    after = [*generator.parameters(), *discriminator.parameters()]
    assert all(parameter.dtype is torch.float32 for parameter in after)
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_discriminator_may_give_its_probability_in_any_shape_of_one_number() -> None:
    generator, discriminator = perceptrons()
    for ending in (nn.Flatten(0), nn.Unflatten(1, (1, 1, 1))):
        strategy = GANLearningStrategy()
        strategy.setup(
            {**SEED_JOB, "seed": 1}, images(), generator, nn.Sequential(*discriminator, ending)
        )
        assert float(strategy.process_iteration(0).minibatch_loss) > 0


def test_the_losses_are_not_read_from_the_device() -> None:
    strategy = GANLearningStrategy()
    strategy.setup({**SEED_JOB, "seed": 1}, images(), *perceptrons())
    progress = strategy.process_iteration(0)
    for told in (progress.minibatch_loss, *progress.extra.values()):
        assert isinstance(told, torch.Tensor)
        assert told.shape == ()
        assert not told.requires_grad


def test_without_a_seed_every_strategy_draws_other_numbers() -> None:
    latents = []
    for _ in range(2):
        strategy = GANLearningStrategy()
        strategy.setup(SEED_JOB, images(), *perceptrons())
        latents.append(strategy.state_dict()["streams"]["latents"])
    assert not torch.equal(*latents)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"batchSize": 0}, "batchSize"),
        ({"batchSzie": 4}, "batchSzie"),
        ({"learningRate": float("nan")}, "learningRate"),
        ({"momentum": 1.0}, "momentum"),
        ({"method": "LBFGS"}, "method"),
        ({"targetReal": 1.5}, "targetReal"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_by_its_name(
    config: dict[str, Any], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        GANLearningStrategy().setup({**SEED_JOB, **config}, images(), *perceptrons())


def test_networks_that_do_not_fit_are_refused_in_words() -> None:
    generator, discriminator = perceptrons()
    wide = nn.Sequential(nn.Linear(10, 49), nn.Tanh(), nn.Unflatten(1, (1, 7, 7)))
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(49, 1), nn.Sigmoid())
    two = nn.Sequential(nn.Flatten(), nn.Linear(36, 2), nn.Sigmoid())
    logits = nn.Sequential(nn.Flatten(), nn.Linear(36, 1), nn.Hardtanh(2.0, 3.0))
    cases: list[tuple[list[nn.Module], dict[str, Any], str]] = [
        ([generator], {}, "takes a generator and a discriminator, not 1 networks"),
        ([generator, discriminator], {"generatorDim": 9}, "does not take 9 latents"),
        ([wide, discriminator], {}, "makes samples of 1x7x7 but the dataset's are 1x6x6"),
        ([generator, narrow], {}, "does not take samples of 1x6x6"),
        ([generator, two], {}, "must give one probability, from a Sigmoid"),
        ([generator, logits], {}, "must give one probability, from a Sigmoid"),
    ]
    for networks, config, words in cases:
        with pytest.raises(NetworkMisfit, match=words):
            GANLearningStrategy().setup({**SEED_JOB, **config}, images(), *networks)


def test_a_batch_of_one_is_refused_only_where_it_cannot_be_normalised() -> None:
    generator, discriminator = perceptrons()
    config = {**SEED_JOB, "batchSize": 1, "seed": 1}
    for judge in (nn.Dropout(0.3), nn.BatchNorm2d(1)):
        strategy = GANLearningStrategy()
        strategy.setup(config, images(), generator, nn.Sequential(judge, *discriminator))
        strategy.process_iteration(0)
    normalised = nn.Sequential(nn.BatchNorm1d(10), *generator)
    with pytest.raises(NetworkMisfit, match="set batchSize=2 or more"):
        GANLearningStrategy().setup(config, images(), normalised, discriminator)


def test_an_empty_dataset_is_refused() -> None:
    empty = TensorDataset(torch.empty(0, 1, 6, 6), torch.empty(0))
    with pytest.raises(BadInput, match="the dataset is empty"):
        GANLearningStrategy().setup(SEED_JOB, empty, *perceptrons())
