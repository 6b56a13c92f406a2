"""The options that all strategies share, and their exact resume.

Where runs are compared the next is set up when the last is done: Dropout draws from torch's global
stream, of which a process has one.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from ganforge.errors import BadInput, NetworkMisfit
from ganforge.wire.strategies import Precision
from ganforge_learner import registry, state, streams, weights
from ganforge_learner.adversarial import AdversarialStrategy
from ganforge_learner.networks import ConditionalNetwork
from ganforge_learner.networks.modules import EmbedClass, Projection
from ganforge_learner.precision import is_fast_at_bfloat16
from tests.learner.gans import images, perceptrons

STRATEGIES = list(registry.BUILT_IN)
CONFIG: dict[str, Any] = {"generatorDim": 10, "batchSize": 8, "seed": 3, "learningRate": 0.01}
CRITIC: dict[str, Any] = {"Diterations": 2, "initDiterations": 3, "initIterations": 4}
ALL_OPTIONS: dict[str, Any] = {
    "ema": 0.99,
    "clipGradient": 0.5,
    "augment": ["COLOR", "TRANSLATION", "CUTOUT"],
    "conditional": True,
    "sampling": "PERMUTATION",
    "generatorLearningRate": 0.02,
}


def config_of(name: str, keys: dict[str, Any] | None = None) -> dict[str, Any]:
    return {**CONFIG, **(CRITIC if "WGAN" in name else {}), **(keys or {})}


def networks_of(name: str, *, conditional: bool = False) -> list[nn.Module]:
    """Make a pair with Dropout, and with BatchNorm in the generator."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        extra = 3 if conditional else 0
        generator: list[nn.Module] = [
            nn.Linear(10 + extra, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(16, 36),
            nn.Tanh(),
            nn.Unflatten(1, (1, 6, 6)),
        ]
        judge: list[nn.Module] = [nn.Flatten(), nn.Linear(36, 16), nn.SiLU(), nn.Dropout(0.1)]
        if not conditional:
            judge.append(nn.Linear(16, 1))
        else:
            generator.insert(0, EmbedClass(10, 3))
            judge.append(Projection(16, 10, spectral=False))
        if name == "GANLearningStrategy":
            judge.append(nn.Sigmoid())
    kind = ConditionalNetwork if conditional else nn.Sequential
    return [kind(*generator), kind(*judge)]


def set_up(
    name: str, keys: dict[str, Any] | None = None, networks: list[nn.Module] | None = None
) -> AdversarialStrategy[Any]:
    config = config_of(name, keys)
    if networks is None:
        networks = networks_of(name, conditional=bool(config.get("conditional")))
    strategy = registry.find_strategy(name)()
    assert isinstance(strategy, AdversarialStrategy)
    strategy.setup(config, images(), *networks)
    return strategy


def train(strategy: AdversarialStrategy[Any], first: int, last: int) -> list[dict[str, float]]:
    told = []
    for i in range(first, last):
        progress = strategy.process_iteration(i)
        losses = {"minibatchLoss": progress.minibatch_loss, **progress.extra}
        told.append({key: float(value) for key, value in losses.items()})
    return told


def networks_within(strategy: AdversarialStrategy[Any]) -> list[nn.Module]:
    return [strategy._generator, strategy._discriminator, *strategy.averages.values()]


def save(strategy: AdversarialStrategy[Any]) -> list[bytes]:
    kept = [weights.dump(network) for network in networks_within(strategy)]
    return [*kept, state.dump(strategy.state_dict())]


def load(strategy: AdversarialStrategy[Any], saved: list[bytes]) -> None:
    for network, data in zip(networks_within(strategy), saved[:-1], strict=True):
        weights.load(data, network, "N")
    strategy.load_state_dict(state.load(saved[-1]))


@pytest.mark.parametrize("method", ["ADAM", "SGD"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_run_cut_anywhere_ends_as_the_whole_one_with_every_option(name: str, method: str) -> None:
    keys = {**ALL_OPTIONS, "method": method, "momentum": 0.5}
    whole = set_up(name, keys)
    losses, cuts = [], []
    for i in range(9):
        cuts.append(save(whole))
        losses += train(whole, i, i + 1)
    end = save(whole)
    for cut in (1, 5, 8):
        torch.manual_seed(99)
        rest = set_up(name, keys)
        load(rest, cuts[cut])
        assert train(rest, cut, 9) == losses[cut:]
        assert save(rest) == end


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_seed_gives_the_same_bits(name: str) -> None:
    ends = []
    for seed in (1, 1, 2):
        strategy = set_up(name, {"ema": 0.9, "augment": ["COLOR"], "seed": seed})
        train(strategy, 0, 3)
        ends.append(save(strategy))
    assert ends[0] == ends[1]
    assert ends[0][0] != ends[2][0]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_loss_reports_the_same_finite_names_in_every_iteration(name: str) -> None:
    told = train(set_up(name), 0, 6)
    assert len({tuple(losses) for losses in told}) == 1
    assert all(abs(value) < 1e3 for losses in told for value in losses.values())


def test_each_network_may_have_a_learning_rate_of_its_own() -> None:
    shares = {"generatorLearningRate": 0.02, "discriminatorLearningRate": 0.03}
    moved: dict[str, list[Tensor]] = {}
    for label, keys in (("one", {}), ("own", shares)):
        strategy = set_up("LSGANLearningStrategy", {**keys, "clipGradient": None})
        before = copy.deepcopy(strategy._discriminator.state_dict())
        strategy._step_discriminator()
        after = strategy._discriminator.state_dict()
        moved[label] = [after[key] - before[key] for key in before]
    for own, one in zip(moved["own"], moved["one"], strict=True):
        torch.testing.assert_close(own, 3 * one, rtol=1e-3, atol=1e-7)


def test_a_clipped_gradient_is_as_long_as_it_may_be_over_the_whole_network() -> None:
    for largest, is_clipped in ((1e-3, True), (1e3, False)):
        strategy = set_up("LSGANLearningStrategy", {"clipGradient": largest})
        strategy.process_iteration(0)
        for network in (strategy._generator, strategy._discriminator):
            squares = [
                float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None
            ]
            length = sum(squares) ** 0.5
            assert length == pytest.approx(1e-3, rel=1e-2) if is_clipped else length > 1e-3


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("place", [0, 1])
def test_a_frozen_network_stays_as_it_is_and_the_other_learns(name: str, place: int) -> None:
    networks = networks_of(name)
    strategy_keys = {"clamp": 100.0} if name == "WGANLearningStrategy" else {}
    networks[place].requires_grad_(False)
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    strategy = set_up(name, strategy_keys, networks)
    train(strategy, 0, 2)
    same = [
        all(torch.equal(was[key], now) for key, now in network.state_dict().items())
        for was, network in zip(before, networks, strict=True)
    ]
    assert same == [place == 0, place == 1]
    assert not any(parameter.requires_grad for parameter in networks[place].parameters())


def test_a_frozen_module_stays_as_it_is() -> None:
    networks = networks_of("GANLearningStrategy")
    frozen = networks[1].get_submodule("1").requires_grad_(False)
    before = copy.deepcopy(frozen.state_dict())
    train(set_up("GANLearningStrategy", None, networks), 0, 2)
    assert all(torch.equal(before[key], value) for key, value in frozen.state_dict().items())
    assert all(parameter.requires_grad for parameter in networks[1].get_submodule("4").parameters())


def test_the_average_is_served_only_when_asked_for() -> None:
    assert dict(set_up("GANLearningStrategy").averages) == {}
    strategy = set_up("GANLearningStrategy", {"ema": 0.9})
    assert list(strategy.averages) == [0]
    latents = strategy.grid_latents(4, 0)
    first = strategy.draw_samples(latents, strategy.averages[0])
    assert torch.equal(first, strategy.draw_samples(latents))
    train(strategy, 0, 3)
    average = strategy.draw_samples(latents, strategy.averages[0])
    assert not torch.equal(average, strategy.draw_samples(latents))


def test_options_change_nothing_unless_they_are_asked_for() -> None:
    plain = set_up("GANLearningStrategy")
    train(plain, 0, 5)
    averaged = set_up("GANLearningStrategy", {"ema": 0.9, "clipGradient": 1e9})
    train(averaged, 0, 5)
    assert save(plain)[:2] == save(averaged)[:2]


@pytest.mark.parametrize("name", STRATEGIES)
def test_bfloat16_computes_near_float32_and_keeps_weights_and_losses_in_it(name: str) -> None:
    wanted_losses = train(set_up(name), 0, 3)
    low = set_up(name, {"precision": "BFLOAT16"})
    for told, wanted in zip(train(low, 0, 3), wanted_losses, strict=True):
        assert told == pytest.approx(wanted, rel=0.05, abs=0.02)
        assert told != wanted
    progress = low.process_iteration(3)
    for loss in (progress.minibatch_loss, *progress.extra.values()):
        assert isinstance(loss, Tensor)
        assert loss.dtype is torch.float32
    kept = [
        parameter.dtype for network in networks_within(low) for parameter in network.parameters()
    ]
    assert set(kept) == {torch.float32}


def test_a_penalty_is_computed_in_float32_also_under_bfloat16() -> None:
    told = []
    for precision in ("FLOAT32", "BFLOAT16"):
        strategy = set_up("WGANGPLearningStrategy", {"precision": precision})
        batch = strategy._draw_real()
        made = batch._replace(inputs=batch.inputs.flip(0))
        told.append(strategy.discriminator_losses(batch, made)["penalty"].item())
    assert told[0] == told[1]


def test_a_sigmoid_under_bfloat16_still_has_a_slope_at_a_sure_discriminator() -> None:
    generator, discriminator = perceptrons()
    nn.init.constant_(list(discriminator.parameters())[-1], 9.0)
    strategy = set_up("GANLearningStrategy", {"precision": "BFLOAT16"}, [generator, discriminator])
    before = copy.deepcopy(discriminator.state_dict())
    strategy.process_iteration(0)
    assert not torch.equal(before["1.weight"], discriminator.state_dict()["1.weight"])


def test_auto_is_bfloat16_where_the_device_is_fast_at_it() -> None:
    strategy = set_up("GANLearningStrategy", {"precision": "AUTO"})
    assert strategy.config.precision is Precision.AUTO
    assert strategy._compute.is_bfloat16 == is_fast_at_bfloat16(torch.device("cpu"))


def test_a_conditional_generator_is_given_the_classes_of_the_real_samples() -> None:
    strategy = set_up("GANLearningStrategy", {"conditional": True})
    real = strategy._draw_real()
    assert real.classes is not None
    fake = strategy._make(strategy.draw_latents(), real.classes)
    assert fake.classes is real.classes
    wanted = set_up("GANLearningStrategy", {"conditional": True})._sampler.draw()
    assert wanted.classes is not None
    assert torch.equal(real.classes, wanted.classes)


def test_the_grid_of_a_conditional_generator_cycles_through_the_classes() -> None:
    strategy = set_up("GANLearningStrategy", {"conditional": True})
    assert strategy.grid_classes == 10
    latents = torch.zeros(20, 10)
    drawn = strategy.draw_samples(latents)
    assert torch.equal(drawn[:10], drawn[10:])
    assert len({tuple(sample) for sample in drawn[:10].flatten(1).tolist()}) == 10
    assert set_up("GANLearningStrategy").grid_classes == 0


CLASSLESS = TensorDataset(images().tensors[0])


@pytest.mark.parametrize(
    ("keys", "is_conditional", "dataset", "error", "words"),
    [
        ({"conditional": True}, True, CLASSLESS, BadInput, "the dataset has no classes"),
        ({"conditional": True}, False, images(), NetworkMisfit, "the generator takes no classes"),
        ({}, True, images(), NetworkMisfit, "the generator takes classes: set conditional=true"),
        (
            {"conditional": True},
            True,
            TensorDataset(images().tensors[0], torch.arange(90) % 11),
            NetworkMisfit,
            "the generator knows fewer classes than the dataset's 11",
        ),
        (
            {"augment": ["COLOR"]},
            False,
            TensorDataset(torch.rand(9, 36)),
            BadInput,
            "augment: it changes images",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(
    keys: dict[str, Any],
    is_conditional: bool,
    dataset: TensorDataset,
    error: type[Exception],
    words: str,
) -> None:
    networks = networks_of("GANLearningStrategy", conditional=is_conditional)
    with pytest.raises(error, match=words):
        registry.find_strategy("GANLearningStrategy")().setup(
            {**CONFIG, **keys}, dataset, *networks
        )


def test_a_robust_strategy_reaches_all_eight_gaussians() -> None:
    turns = torch.arange(8) * torch.pi / 4
    centres = 2 * torch.stack((turns.cos(), turns.sin()), dim=1)
    noise = torch.randn(4096, 2, generator=streams.stream(0, "sampling"))
    inputs = centres.repeat(512, 1) + 0.05 * noise
    with torch.random.fork_rng():
        torch.manual_seed(1)
        generator, critic = (
            nn.Sequential(
                nn.Linear(taken, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, given)
            )
            for taken, given in ((8, 2), (2, 1))
        )
    strategy = registry.find_strategy("R3GANLearningStrategy")()
    keys: dict[str, Any] = {
        "generatorDim": 8,
        "batchSize": 64,
        "seed": 1,
        "learningRate": 0.002,
        "beta2": 0.99,
        "gamma": 0.3,
        "ema": 0.99,
    }
    strategy.setup(keys, TensorDataset(inputs), generator, critic)
    for i in range(800):
        strategy.process_iteration(i)
    made = strategy.draw_samples(strategy.grid_latents(1000, 5), strategy.averages[0])
    distances = torch.cdist(made, centres)
    near = distances.min(dim=1)
    shares = torch.bincount(near.indices[near.values < 0.5], minlength=8) / 1000
    assert float(shares.min()) > 0.03
    assert float(shares.sum()) > 0.6
