"""Every strategy does what its paper says, compared with autograd written straight from there."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganforge.errors import NetworkMisfit
from ganforge_learner import registry, streams
from tests.learner.gans import images, perceptrons

SEED, N, Z = 5, 12, 10
ITERATIONS = 25
RATE = 0.02
CONFIG: dict[str, Any] = {
    "generatorDim": Z,
    "batchSize": N,
    "seed": SEED,
    "method": "SGD",
    "learningRate": RATE,
}

Losses = dict[str, float]


@dataclass
class Paper:
    """Both networks in float64, plain SGD, and what is drawn, drawn again."""

    generator: nn.Module
    discriminator: nn.Module
    inputs: Tensor

    def __post_init__(self) -> None:
        self._sampling = streams.stream(SEED, "sampling")
        self._latents = streams.stream(SEED, "latents")
        self._shares = streams.stream(SEED, "interpolation")

    def x(self) -> Tensor:
        return self.inputs[torch.randint(len(self.inputs), (N,), generator=self._sampling)]

    def z(self) -> Tensor:
        return torch.randn(N, Z, generator=self._latents, dtype=torch.float64)

    def share(self) -> Tensor:
        return torch.rand(N, generator=self._shares, dtype=torch.float64).reshape(N, 1, 1, 1)

    def descend(self, network: nn.Module, loss: Tensor) -> None:
        parameters = list(network.parameters())
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(RATE * gradient)


def lsgan(it: Paper, i: int) -> Losses:
    """Mao et al. 2017, equation 2 with equation 9's a = 0 and b = c = 1."""
    d, g = it.discriminator, it.generator
    x, z = it.x(), it.z()
    real, fake = ((d(x) - 1) ** 2).mean() / 2, (d(g(z)) ** 2).mean() / 2
    it.descend(d, real + fake)
    loss = ((d(g(it.z())) - 1) ** 2).mean() / 2
    it.descend(g, loss)
    return {"minibatchLoss": loss.item(), "dLossReal": real.item(), "dLossFake": fake.item()}


def hinge(it: Paper, i: int) -> Losses:
    """Miyato et al. 2018, equations 16 and 17."""
    d, g = it.discriminator, it.generator
    x, z = it.x(), it.z()
    zero = torch.zeros(())
    real = -torch.minimum(zero, -1 + d(x)).mean()
    fake = -torch.minimum(zero, -1 - d(g(z))).mean()
    it.descend(d, real + fake)
    loss = -d(g(it.z())).mean()
    it.descend(g, loss)
    return {"minibatchLoss": loss.item(), "dLossReal": real.item(), "dLossFake": fake.item()}


def wgan(it: Paper, i: int) -> Losses:
    """DIANNE's: real down, fake up, clamped; the last latents again; more steps at first."""
    d, g = it.discriminator, it.generator
    if i == 0:
        _clamp(d)
    steps = 4 if i < 2 else 3
    sums = {"dLossReal": 0.0, "dLossFake": 0.0}
    for _ in range(steps):
        x, z = it.x(), it.z()
        real, fake = d(x).mean(), d(g(z)).mean()
        it.descend(d, real - fake)
        _clamp(d)
        sums["dLossReal"] += real.item() / steps
        sums["dLossFake"] -= fake.item() / steps
    loss = d(g(z)).mean()
    it.descend(g, loss)
    distance = -sum(sums.values())
    return {"minibatchLoss": distance, **sums, "gLoss": loss.item()}


def _clamp(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.clamp_(-0.05, 0.05)


def wgan_gp(it: Paper, i: int) -> Losses:
    """Gulrajani et al. 2017, algorithm 1, without its ADAM; the penalty sample by sample."""
    d, g = it.discriminator, it.generator
    sums = {"dLossReal": 0.0, "dLossFake": 0.0, "penalty": 0.0}
    for _ in range(3):
        x, z, e = it.x(), it.z(), it.share()
        fake = g(z).detach()
        mixed = e * x + (1 - e) * fake
        squares = []
        for one in mixed.split(1):
            point = one.clone().requires_grad_()
            (slope,) = torch.autograd.grad(d(point).squeeze(), point, create_graph=True)
            squares.append(((slope**2).sum().sqrt() - 1) ** 2)
        terms = {
            "dLossReal": -d(x).mean(),
            "dLossFake": d(fake).mean(),
            "penalty": 7.0 * torch.stack(squares).mean(),
        }
        it.descend(d, sum(terms.values(), torch.zeros(())))
        sums = {name: sums[name] + term.item() / 3 for name, term in terms.items()}
    loss = -d(g(it.z())).mean()
    it.descend(g, loss)
    distance = -sums["dLossReal"] - sums["dLossFake"]
    return {"minibatchLoss": distance, **sums, "gLoss": loss.item()}


def r3gan(it: Paper, i: int) -> Losses:
    """Huang et al. 2024: softplus of paired differences, R1 and R2 sample by sample."""
    d, g = it.discriminator, it.generator
    x, z = it.x(), it.z()
    fake = g(z).detach()
    terms = {"dLoss": torch.log1p(torch.exp(-(d(x) - d(fake)))).mean()}
    for name, samples in (("penaltyReal", x), ("penaltyFake", fake)):
        squares = []
        for one in samples.split(1):
            point = one.clone().requires_grad_()
            (slope,) = torch.autograd.grad(d(point).squeeze(), point, create_graph=True)
            squares.append((slope**2).sum())
        terms[name] = 3.0 / 2 * torch.stack(squares).mean()
    it.descend(d, sum(terms.values(), torch.zeros(())))
    loss = torch.log1p(torch.exp(-(d(g(it.z())) - d(x)))).mean()
    it.descend(g, loss)
    return {"minibatchLoss": loss.item(), **{name: term.item() for name, term in terms.items()}}


CASES: dict[str, tuple[Callable[[Paper, int], Losses], dict[str, Any]]] = {
    "LSGANLearningStrategy": (lsgan, {}),
    "HingeGANLearningStrategy": (hinge, {}),
    "WGANLearningStrategy": (
        wgan,
        {"Diterations": 3, "initDiterations": 4, "initIterations": 2, "clamp": 0.05},
    ),
    "WGANGPLearningStrategy": (wgan_gp, {"Diterations": 3, "gradientPenalty": 7.0}),
    "R3GANLearningStrategy": (r3gan, {"gamma": 3.0}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_number_is_that_of_the_paper(name: str) -> None:
    iterate, keys = CASES[name]
    generator, discriminator = perceptrons(dtype=torch.float64)
    critic = discriminator[:-1]
    dataset = images(dtype=torch.float64)
    paper = Paper(*copy.deepcopy((generator, critic)), dataset.tensors[0])
    first = copy.deepcopy([*generator.parameters(), *critic.parameters()])
    strategy = registry.find_strategy(name)()
    strategy.setup({**CONFIG, **keys}, dataset, generator, critic)

    for i in range(ITERATIONS):
        progress = strategy.process_iteration(i)
        wanted = iterate(paper, i)
        told = {"minibatchLoss": progress.minibatch_loss, **progress.extra}
        assert progress.iteration == i
        assert {key: float(value) for key, value in told.items()} == pytest.approx(
            wanted, abs=1e-10
        )

    pairs = [
        *zip(generator.parameters(), paper.generator.parameters(), strict=True),
        *zip(critic.parameters(), paper.discriminator.parameters(), strict=True),
    ]
    assert max(float((own - other).detach().abs().max()) for own, other in pairs) < 1e-10
    moved = zip(first, (own for own, _ in pairs), strict=True)
    # A critic's last bias is the one that no difference of its judgements can tell.
    assert sum(torch.equal(before, after) for before, after in moved) <= 1


@pytest.mark.parametrize("name", CASES)
def test_a_discriminator_that_ends_in_a_sigmoid_is_refused_in_words(name: str) -> None:
    with pytest.raises(NetworkMisfit, match="ends in Sigmoid: it must give one number of any size"):
        registry.find_strategy(name)().setup(CONFIG, images(), *perceptrons())


@pytest.mark.parametrize("name", ["WGANGPLearningStrategy", "R3GANLearningStrategy"])
def test_a_penalty_refuses_batch_norm_in_words(name: str) -> None:
    generator, discriminator = perceptrons()
    critic = nn.Sequential(nn.BatchNorm2d(1), discriminator[:-1])
    with pytest.raises(NetworkMisfit, match="the discriminator has BatchNorm"):
        registry.find_strategy(name)().setup(CONFIG, images(), generator, critic)


def test_a_critic_of_dianne_is_clamped_from_the_beginning() -> None:
    generator, discriminator = perceptrons()
    strategy = registry.find_strategy("WGANLearningStrategy")()
    strategy.setup(CONFIG, images(), generator, discriminator[:-1])
    largest = max(float(parameter.detach().abs().max()) for parameter in discriminator.parameters())
    assert largest == pytest.approx(0.01)


@pytest.mark.parametrize("name", ["GANLearningStrategy", *CASES])
def test_a_loss_that_is_nan_is_told_as_nan(name: str) -> None:
    generator, discriminator = perceptrons()
    judge = discriminator if name == "GANLearningStrategy" else discriminator[:-1]
    strategy = registry.find_strategy(name)()
    strategy.setup({**CONFIG, "learningRate": 1e30}, images(), generator, judge)
    nn.init.constant_(next(generator.parameters()), float("nan"))
    assert torch.as_tensor(strategy.process_iteration(0).minibatch_loss).isnan()
