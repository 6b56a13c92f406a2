"""What is worked out of a network without torch is what torch makes of it."""

import json
import re
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from ganforge.errors import NetworkMisfit
from ganforge.networks import BUILTIN, NetworkDefinition, check_gan_fit, infer
from ganforge.networks.definition import MAX_DEPTH, Sigmoid
from ganforge.networks.inference import MAX_ACTIVATION, MAX_PARAMETERS
from ganforge.wire.strategies import (
    AdversarialConfig,
    Criterion,
    GANConfig,
    R3GANConfig,
    WGANConfig,
)
from ganforge_learner.networks import build_network, initialise

pytestmark = pytest.mark.usefixtures("one_thread")

Modules = list[dict[str, Any]]


def definition(
    modules: Modules, shape: list[int], name: str = "Net", **changes: Any
) -> NetworkDefinition:
    told = {"name": name, "input": shape, "modules": modules, **changes}
    return NetworkDefinition.model_validate_json(json.dumps(told))


MISFITS: list[tuple[Modules, list[int], str]] = [
    ([{"type": "Linear", "out": 2}], [1, 2, 2], "module 0 .Linear.: takes features but is given "
     "1x2x2: add a Flatten"),
    ([{"type": "Conv2d", "out": 2, "kernel": 3}], [9], "takes channels, height and width but is "
     "given 9: add an Unflatten"),
    ([{"type": "ConvTranspose2d", "out": 2, "kernel": 3}], [9, 9], "add an Unflatten"),
    ([{"type": "Conv2d", "out": 2, "kernel": 3}], [1, 2, 2], "a kernel of 3 with stride 1 and "
     "padding 0 leaves nothing of 1x2x2: take a smaller kernel or more padding"),
    ([{"type": "ConvTranspose2d", "out": 2, "kernel": 1, "padding": 2}], [1, 2, 2],
     "leaves nothing of 1x2x2"),
    ([{"type": "BatchNorm"}], [3, 3], "is given 3x3"),
    ([{"type": "Unflatten", "shape": [2, 2]}], [5], "2x2 takes 4 features but is given 5"),
    ([{"type": "Unflatten", "shape": [4]}], [2, 2], "takes features but is given 2x2"),
    ([{"type": "ReLU"}, {"type": "Linear", "out": 1}], [1, 1], "Net, module 1 .Linear."),
    ([{"type": "Conv2d", "out": 4, "kernel": 1, "groups": 3}], [6, 2, 2],
     "6 channels to 4 do not fall into 3 groups"),
    ([{"type": "ConvTranspose2d", "out": 1, "kernel": 2, "outputPadding": 1}], [1, 2, 2],
     "outputPadding of 1 must be less than the stride, 1"),
    ([{"type": "Upsample"}], [4], "takes channels, height and width but is given 4"),
    ([{"type": "PixelShuffle"}], [6, 2, 2], "6 channels do not fall into blocks of 4"),
    ([{"type": "AvgPool2d", "kernel": 3}], [1, 2, 2], "a kernel of 3 is larger than 1x2x2"),
    ([{"type": "MaxPool2d", "padding": 2}], [1, 8, 8], "padding of 2 is more than half the kernel"),
    ([{"type": "GroupNorm", "groups": 4}], [6, 2, 2], "6 channels do not fall into 4 groups"),
    ([{"type": "GroupNorm", "groups": 6}], [6], "6 groups of 6 hold one number each"),
    ([{"type": "InstanceNorm"}], [6, 1, 1], "the channels of 6x1x1 hold one number each"),
    ([{"type": "Residual", "body": [{"type": "Tanh"}, {"type": "Linear", "out": 2}]}], [3],
     "module 0 .Residual.: the body gives 2 but the shortcut 3"),
    ([{"type": "Residual", "body": [{"type": "Tanh"}, {"type": "Linear", "out": 2}]}], [3, 1],
     "module 0.body.1 .Linear.: takes features but is given 3x1"),
    ([{"type": "Concat", "branches": [[], [{"type": "Upsample"}]]}], [1, 2, 2],
     "the branches give 1x2x2, 1x4x4, which differ in more than the first number"),
    ([{"type": "Concat", "branches": [[], [{"type": "Unflatten", "shape": [2, 2]}]]}], [5],
     "module 0.branches.1.0 .Unflatten.: 2x2 takes 4 features"),
    ([{"type": "EmbedClass", "features": 2}], [3], "but the network has none: set classes"),
]  # fmt: skip


@pytest.mark.parametrize(("modules", "shape", "words"), MISFITS)
def test_a_misfit_is_refused_in_words_that_name_the_module(
    modules: Modules, shape: list[int], words: str
) -> None:
    with pytest.raises(NetworkMisfit, match=words):
        infer(definition(modules, shape))


CLASS: dict[str, Any] = {"type": "EmbedClass", "features": 2}


def test_what_a_network_does_with_classes_is_checked() -> None:
    assert infer(definition([CLASS], [3], classes=4)).output == (5,)
    with pytest.raises(NetworkMisfit, match="takes 4 classes but no module looks at them: add an"):
        infer(definition([{"type": "ReLU"}], [3], classes=4))
    nested = [CLASS, {"type": "Residual", "body": [CLASS]}]
    with pytest.raises(NetworkMisfit, match=r"module 1.body.0 \(EmbedClass\): may stand in the"):
        infer(definition(nested, [3], classes=4))


def test_weights_that_begin_at_0_take_no_spectral_norm() -> None:
    told = [{"type": "Linear", "out": 2, "spectralNorm": True}]
    with pytest.raises(NetworkMisfit, match="has spectralNorm, which weights of 0 do not take"):
        infer(definition(told, [3], init="r3gan"))


def nest(depth: int) -> dict[str, Any]:
    """Put a module into ``depth - 1`` others."""
    module: dict[str, Any] = {"type": "ReLU"}
    for _ in range(depth - 1):
        module = {"type": "Residual", "body": [module]}
    return module


def test_modules_may_be_within_modules_so_deep_and_no_deeper() -> None:
    assert len(infer(definition([nest(MAX_DEPTH)], [1])).steps) == MAX_DEPTH
    path = "0." + "body.0." * (MAX_DEPTH - 1) + "body.0"
    with pytest.raises(ValidationError, match=f"module {path} is within more than 7 others"):
        definition([nest(MAX_DEPTH + 1)], [1])


HOSTILE: list[Modules] = [
    [nest(150)],
    [{"type": "Concat", "branches": [[]] * 100_000}],
    [{"type": "Concat", "branches": [[{"type": "ReLU"}] * 100] * 20}],
    [{"type": "Residual", "body": [{"type": "ReLU"}] * 600}] * 2,
    [{"type": "Concat", "branches": [[{"type": "Concat", "branches": [[]] * 50}]] * 50}],
]


@pytest.mark.parametrize("modules", HOSTILE, ids=range(len(HOSTILE)))
def test_a_sprawling_definition_is_refused_before_anything_is_made_of_it(modules: Modules) -> None:
    told = {"name": "Net", "input": [1], "modules": modules}
    with pytest.raises(ValidationError, match="more than") as caught:
        NetworkDefinition.model_validate(told)
    assert [error["loc"] for error in caught.value.errors()] == [("modules",)]


def test_concatenations_of_concatenations_grow_no_further_than_memory() -> None:
    doubled: dict[str, Any] = {"type": "Concat", "branches": [[], []]}
    with pytest.raises(NetworkMisfit, match=r"module 2[0-9] \(Concat\): gives|up to here"):
        infer(definition([doubled] * 300, [1]))


def test_many_modules_that_fit_one_by_one_may_not_fit_together() -> None:
    wide = definition([{"type": "ReLU"}] * 900, [1 << 18])
    with pytest.raises(NetworkMisfit, match=r"module 512 \(ReLU\): up to here .* more than"):
        infer(wide)


def test_a_network_that_would_fill_the_memory_is_refused() -> None:
    with pytest.raises(NetworkMisfit, match=f"parameters are more than {MAX_PARAMETERS}"):
        infer(definition([{"type": "Linear", "out": 1 << 20}], [1 << 10]))
    wide = [{"type": "ConvTranspose2d", "out": 1, "kernel": 64, "stride": 64}]
    with pytest.raises(NetworkMisfit, match=f"more than {MAX_ACTIVATION} numbers a sample"):
        infer(definition([*wide, *wide, *wide], [1, 1, 1]))
    strided = [{"type": "Conv2d", "out": 1, "kernel": 1, "stride": 64}]
    with pytest.raises(NetworkMisfit, match=f"more than {MAX_ACTIVATION} numbers a sample"):
        infer(definition(strided, [1 << 20, 1 << 19, 1 << 19]))


@pytest.mark.parametrize(
    "told",
    [
        {"name": "Net", "input": [1], "modules": []},
        {"name": "Net", "input": [], "modules": [{"type": "ReLU"}]},
        {"name": "Net", "input": [0], "modules": [{"type": "ReLU"}]},
        {"name": "Net", "input": [1 << 21], "modules": [{"type": "ReLU"}]},
        {"name": "Net", "input": [1, 1, 1, 1], "modules": [{"type": "ReLU"}]},
        {"name": "../Net", "input": [1], "modules": [{"type": "ReLU"}]},
        {"name": "Net", "input": [1], "modules": [{"type": "Lambda"}]},
        {"name": "Net", "input": [1], "modules": [{"type": "ReLU", "inplace": True}]},
        {"name": "Net", "input": [1], "modules": [{"type": "Linear"}]},
        {"name": "Net", "input": [1], "modules": [{"type": "Linear", "out": 0}]},
        {"name": "Net", "input": [1], "modules": [{"type": "Dropout", "p": 1}]},
        {"name": "Net", "input": [1], "modules": [{"type": "LeakyReLU", "slope": 2}]},
        {"name": "Net", "input": [1], "modules": [{"type": "ReLU"}] * 1001},
        {"name": "Net", "input": [1], "modules": [{"type": "ReLU"}], "code": "import os"},
        {"name": "Net", "input": [1], "modules": [{"type": "ReLU"}], "init": "zeros"},
    ],
)
def test_what_is_no_definition_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NetworkDefinition.model_validate_json(json.dumps(told))


NAMED = {network.name: network for network in BUILTIN}
GENERATORS = [network for network in BUILTIN if "Generator" in network.name]
JUDGES = [network for network in BUILTIN if "Generator" not in network.name]


def passed(network: NetworkDefinition, *, seed: int = 1) -> torch.Tensor:
    """What a network with fresh weights makes of 4 random samples."""
    random = torch.Generator().manual_seed(seed)
    built = build_network(network).train()
    initialise(built, network, random)
    inputs = [torch.randn(4, *network.input, generator=random)]
    if network.classes:
        inputs.append(torch.arange(4))
    with torch.no_grad():
        made: torch.Tensor = built(*inputs)
    assert tuple(made.shape) == (4, *infer(network).output)
    return made


@pytest.mark.parametrize("network", GENERATORS, ids=lambda network: network.name)
def test_every_built_in_generator_makes_samples(network: NetworkDefinition) -> None:
    made = passed(network)
    assert float(made.std()) > 0
    if not network.name.startswith("R3GAN"):  # whose samples have no bounds
        assert float(made.abs().max()) <= 1.0


@pytest.mark.parametrize("network", JUDGES, ids=lambda network: network.name)
def test_a_built_in_discriminator_gives_a_probability_and_a_critic_a_logit(
    network: NetworkDefinition,
) -> None:
    told = passed(network)
    assert tuple(told.shape) == (4, 1)
    assert float(told.std()) > 0
    assert isinstance(network.modules[-1], Sigmoid) is ("Discriminator" in network.name)


@pytest.mark.parametrize("network", JUDGES, ids=lambda network: network.name)
def test_every_built_in_judge_takes_what_its_generator_makes(network: NetworkDefinition) -> None:
    generator = NAMED[re.sub("Discriminator|SpectralCritic|Critic", "Generator", network.name)]
    assert generator.classes == network.classes
    config = GANConfig if "Discriminator" in network.name else R3GANConfig
    check_gan_fit(
        generator,
        network,
        config(generator_dim=generator.input[0], conditional=network.classes > 0),
        sample_shape=network.input,
        classes=10,
    )


def test_names_of_built_in_networks_are_their_own() -> None:
    assert len(NAMED) == len(BUILTIN)


@pytest.mark.parametrize(
    "name", [name for name in NAMED if name.endswith("Critic28") or name.endswith("Critic32RGB")]
)
def test_a_built_in_critic_judges_each_sample_alone(name: str) -> None:
    """As a gradient penalty asks: a critic's word of a sample must not hang on the others."""
    network = NAMED[name]
    built = build_network(network).train()
    initialise(built, network, torch.Generator().manual_seed(1))
    samples = torch.randn(3, *network.input, requires_grad=True)
    classes = [torch.arange(3)] if network.classes else []
    (gradient,) = torch.autograd.grad(built(samples, *classes)[0].sum(), samples)
    assert bool(gradient[0].any())
    assert not bool(gradient[1:].any())


def test_the_seeds_pair_is_the_seeds() -> None:
    generator, discriminator = NAMED["Generator"], NAMED["Discriminator"]
    assert (generator.name, discriminator.name) == ("Generator", "Discriminator")
    assert infer(generator).tensors == {
        "0.weight": ("F32", (128, 10)),
        "0.bias": ("F32", (128,)),
        "2.weight": ("F32", (784, 128)),
        "2.bias": ("F32", (784,)),
    }
    assert infer(discriminator).parameters == 784 * 128 + 128 + 128 + 1


def test_default_weights_are_drawn_as_torch_draws_them() -> None:
    network = NAMED["DCGANGenerator28"]  # convolutions and BatchNorm
    ours = build_network(network)
    plain = network.model_copy(update={"init": "default"})
    initialise(ours, plain, torch.Generator().manual_seed(3))
    theirs = build_network(plain)
    for (name, own), other in zip(
        ours.state_dict().items(), theirs.state_dict().values(), strict=True
    ):
        if own.is_floating_point() and own.numel() > 1000:
            assert float(own.max()) == pytest.approx(float(other.max()), rel=0.02), name
            assert float(own.std()) == pytest.approx(float(other.std()), rel=0.05), name


def test_initialising_moves_no_other_random_stream_and_depends_on_the_seed() -> None:
    network = NAMED["DCGANGenerator28"]
    before = torch.get_rng_state()
    with torch.random.fork_rng():
        first, again, other = (build_network(network) for _ in range(3))
    torch.set_rng_state(before)
    for built, seed in ((first, 1), (again, 1), (other, 2)):
        initialise(built, network, torch.Generator().manual_seed(seed))
    assert torch.equal(torch.get_rng_state(), before)
    same = zip(first.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


@pytest.mark.parametrize("config", [GANConfig(criterion=Criterion.MSE), WGANConfig(clamp=1)])
def test_a_loss_that_takes_any_number_takes_a_discriminator_without_sigmoid(
    config: AdversarialConfig,
) -> None:
    fit(config=config, discriminator=definition(FLAT, [1, 28, 28], "Critic"))


def fit(**changes: Any) -> None:
    values: dict[str, Any] = {
        "generator": NAMED["Generator"],
        "discriminator": NAMED["Discriminator"],
        "config": GANConfig(),
        "sample_shape": (1, 28, 28),
        "classes": 10,
        **changes,
    }
    check_gan_fit(
        values["generator"],
        values["discriminator"],
        values["config"],
        sample_shape=values["sample_shape"],
        classes=values["classes"],
    )


def by_class(classes: int) -> NetworkDefinition:
    modules: Modules = [
        {"type": "EmbedClass", "features": 4},
        {"type": "Linear", "out": 784},
        {"type": "Unflatten", "shape": [1, 28, 28]},
    ]
    return definition(modules, [10], "ByClass").model_copy(update={"classes": classes})


FLAT: Modules = [{"type": "Flatten"}, {"type": "Linear", "out": 1}]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"config": GANConfig(generator_dim=12)},
            "Generator takes 10 latents but generatorDim is 12: set generatorDim=10, or take",
        ),
        (
            {"sample_shape": (1, 8, 8)},
            "Generator makes samples of 1x28x28 but the dataset's are 1x8x8",
        ),
        (
            {"discriminator": NAMED["DigitsDiscriminator"]},
            "DigitsDiscriminator takes samples of 1x8x8 but the dataset's are 1x28x28",
        ),
        (
            {"discriminator": definition(FLAT, [1, 28, 28], "Critic")},
            "Critic gives 1 numbers a sample from Linear: "
            "the loss takes one probability, from a Sigmoid",
        ),
        (
            {"config": GANConfig(criterion=Criterion.BCE_LOGITS)},
            "Discriminator gives 1 numbers a sample from Sigmoid: "
            "the loss takes one number of any size, without a Sigmoid",
        ),
        (
            {"config": WGANConfig()},
            "Discriminator gives 1 numbers a sample from Sigmoid: "
            "the loss takes one number of any size, without a Sigmoid",
        ),
        (
            {
                "config": R3GANConfig(),
                "discriminator": definition([*FLAT, {"type": "BatchNorm"}], [1, 28, 28], "Critic"),
            },
            "Critic has BatchNorm, which the gradient penalty cannot see through",
        ),
        (
            {"config": GANConfig(conditional=True), "classes": None},
            "conditional: the dataset has no classes; leave it out",
        ),
        ({"config": GANConfig(conditional=True)}, "Generator takes no classes: take a conditional"),
        ({"generator": by_class(10)}, "ByClass takes classes: set conditional=true"),
        (
            {"generator": by_class(9), "config": GANConfig(conditional=True)},
            "ByClass knows 9 classes but the dataset has 10: take a network of that many classes",
        ),
        (
            {"generator": NAMED["Discriminator"], "discriminator": NAMED["Generator"]},
            "Discriminator takes 1x28x28, not latents, so it is no generator: "
            "name the generator first",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_what_to_change(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(NetworkMisfit) as caught:
        fit(**changes)
    assert words in caught.value.detail
