"""What is worked out of a network without torch is what torch makes of it."""

import json
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ganforge.errors import NetworkMisfit
from ganforge.networks import BUILTIN, NetworkDefinition, check_gan_fit, infer
from ganforge.networks.inference import MAX_ACTIVATION, MAX_PARAMETERS
from ganforge_learner.networks import build_network, initialise

DTYPES = {torch.float32: "F32", torch.int64: "I64"}
SMALL = 4096
Modules = list[dict[str, Any]]


def definition(
    modules: Modules, shape: list[int], name: str = "Net", **changes: Any
) -> NetworkDefinition:
    told = {"name": name, "input": shape, "modules": modules, **changes}
    return NetworkDefinition.model_validate_json(json.dumps(told))


sizes = st.integers(1, 6)
convolutions = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Conv2d", "ConvTranspose2d"]),
        "out": sizes,
        "kernel": st.integers(1, 5),
        "stride": st.integers(1, 3),
        "padding": st.integers(0, 3),
        "bias": st.booleans(),
    }
)
linears = st.fixed_dictionaries({"type": st.just("Linear"), "out": sizes, "bias": st.booleans()})
others: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "BatchNorm"},
        {"type": "ReLU"},
        {"type": "LeakyReLU", "slope": 0.1},
        {"type": "Sigmoid"},
        {"type": "Tanh"},
        {"type": "Dropout", "p": 0.25},
        {"type": "Flatten"},
        {"type": "Unflatten", "shape": [2, 3, 1]},
        {"type": "Unflatten", "shape": [6]},
    ]
)
shapes = st.lists(sizes, min_size=1, max_size=3)


@st.composite
def networks(draw: st.DrawFn) -> NetworkDefinition:
    """A network whose modules mostly fit: each is chosen for the shape before it."""
    shape = draw(shapes)
    modules: Modules = []
    for _ in range(draw(st.integers(1, 6))):
        fitting: list[st.SearchStrategy[dict[str, Any]]] = {
            1: [linears, others],
            3: [convolutions, others],
        }.get(len(shape), [others])
        module = draw(st.one_of(fitting))
        tried = definition([*modules, module], shape)
        try:
            infer(tried)
        except NetworkMisfit:
            continue
        modules.append(module)
    assume(modules)
    return definition(modules, shape)


@settings(max_examples=300, deadline=None)
@given(networks())
def test_inference_agrees_with_torch(network: NetworkDefinition) -> None:
    inference = infer(network)
    assume(all(torch.Size(shape).numel() <= SMALL for shape in inference.shapes))
    built = build_network(network).eval()
    x = torch.zeros(2, *network.input)
    for module, shape in zip(built, inference.shapes, strict=True):
        x = module(x)
        assert tuple(x.shape) == (2, *shape)
    told = {
        name: (DTYPES[tensor.dtype], tuple(tensor.shape))
        for name, tensor in built.state_dict().items()
    }
    assert inference.tensors == told
    assert list(inference.tensors) == list(told)
    assert inference.parameters == sum(t.numel() for t in built.state_dict().values())
    assert inference.output == tuple(x.shape[1:])


@settings(max_examples=300, deadline=None)
@given(
    shape=st.lists(st.integers(1, 8), min_size=3, max_size=3),
    module=convolutions,
)
def test_what_torch_refuses_is_refused_and_nothing_else(
    shape: list[int], module: dict[str, Any]
) -> None:
    network = definition([module], shape)
    sides = dict(zip(("out", "kernel"), (module["out"], module["kernel"]), strict=True))
    kind = getattr(torch.nn, module["type"])
    rest = {key: module[key] for key in ("stride", "padding", "bias")}
    try:
        wanted = tuple(
            kind(shape[0], sides["out"], sides["kernel"], **rest)(torch.zeros(1, *shape)).shape[1:]
        )
    except RuntimeError:
        wanted = None
    if wanted is None or 0 in wanted:
        with pytest.raises(NetworkMisfit, match="leaves nothing of"):
            infer(network)
    else:
        assert infer(network).output == wanted


@settings(deadline=None)
@given(networks())
def test_a_definition_survives_the_wire(network: NetworkDefinition) -> None:
    assert NetworkDefinition.model_validate_json(network.model_dump_json()) == network


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
]  # fmt: skip


@pytest.mark.parametrize(("modules", "shape", "words"), MISFITS)
def test_a_misfit_is_refused_in_words_that_name_the_module(
    modules: Modules, shape: list[int], words: str
) -> None:
    with pytest.raises(NetworkMisfit, match=words):
        infer(definition(modules, shape))


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


@pytest.mark.parametrize("network", BUILTIN, ids=lambda network: network.name)
def test_every_built_in_network_builds_and_judges_or_makes(network: NetworkDefinition) -> None:
    built = build_network(network)
    initialise(built, network, torch.Generator().manual_seed(1))
    with torch.no_grad():
        made = built.eval()(torch.randn(2, *network.input))
    assert tuple(made.shape[1:]) == infer(network).output
    lowest = -1.0 if "Generator" in network.name else 0.0
    assert float(made.min()) >= lowest
    assert float(made.max()) <= 1.0
    assert float(made.std()) > 0


@pytest.mark.parametrize("pair", range(len(BUILTIN) // 2))
def test_every_built_in_pair_fits(pair: int) -> None:
    generator, discriminator = BUILTIN[2 * pair : 2 * pair + 2]
    check_gan_fit(
        generator,
        discriminator,
        generator_dim=generator.input[0],
        sample_shape=discriminator.input,
    )


def test_the_seeds_pair_is_the_seeds() -> None:
    generator, discriminator = BUILTIN[:2]
    assert (generator.name, discriminator.name) == ("Generator", "Discriminator")
    assert infer(generator).tensors == {
        "0.weight": ("F32", (128, 10)),
        "0.bias": ("F32", (128,)),
        "2.weight": ("F32", (784, 128)),
        "2.bias": ("F32", (784,)),
    }
    assert infer(discriminator).parameters == 784 * 128 + 128 + 128 + 1


def test_default_weights_are_drawn_as_torch_draws_them() -> None:
    network = BUILTIN[4]  # convolutions and BatchNorm
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
    network = BUILTIN[4]
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


def fit(**changes: Any) -> None:
    values: dict[str, Any] = {
        "generator": BUILTIN[0],
        "discriminator": BUILTIN[1],
        "generator_dim": 10,
        "sample_shape": (1, 28, 28),
        **changes,
    }
    check_gan_fit(
        values["generator"],
        values["discriminator"],
        generator_dim=values["generator_dim"],
        sample_shape=values["sample_shape"],
    )


FLAT: Modules = [{"type": "Flatten"}, {"type": "Linear", "out": 1}]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"generator_dim": 12},
            "Generator takes 10 latents but generatorDim is 12: set generatorDim=10, or take",
        ),
        (
            {"sample_shape": (1, 8, 8)},
            "Generator makes samples of 1x28x28 but the dataset's are 1x8x8",
        ),
        (
            {"discriminator": BUILTIN[3]},
            "DigitsDiscriminator takes samples of 1x8x8 but the dataset's are 1x28x28",
        ),
        (
            {"discriminator": definition(FLAT, [1, 28, 28], "Critic")},
            "Critic gives 1 numbers a sample from Linear: it must give one, from a Sigmoid",
        ),
        (
            {"generator": BUILTIN[1], "discriminator": BUILTIN[0]},
            "Discriminator takes 1x28x28, not latents, so it is no generator: "
            "name the generator first",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_what_to_change(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(NetworkMisfit) as caught:
        fit(**changes)
    assert words in caught.value.detail
