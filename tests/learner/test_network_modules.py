"""What networks compute: the modules torch has not, classes, spectral norm, first weights."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from ganforge.networks import NetworkDefinition, infer
from ganforge_learner.networks import (
    ConditionalNetwork,
    build_network,
    initialise,
    takes_samples_apart,
)
from tests.support.random_networks import RandomNetworks


def network_of(
    *modules: dict[str, Any], takes: tuple[int, ...], seed: int = 0, **changes: Any
) -> nn.Sequential:
    """Build a network and draw its weights."""
    told = {"name": "Net", "input": takes, "modules": modules, **changes}
    definition = NetworkDefinition.model_validate(told)
    built = build_network(definition)
    initialise(built, definition, torch.Generator().manual_seed(seed))
    return built


CLASSES = torch.tensor([2, 0, 2])


def test_a_network_without_classes_is_a_plain_sequential() -> None:
    assert type(network_of({"type": "ReLU"}, takes=(2,))) is nn.Sequential


def test_a_class_stands_behind_the_features() -> None:
    network = network_of({"type": "EmbedClass", "features": 4}, takes=(3,), classes=5)
    assert isinstance(network, ConditionalNetwork)
    x = torch.randn(3, 3)
    made = network(x, CLASSES)
    assert torch.equal(made[:, :3], x)
    assert torch.equal(made[:, 3:], network.get_parameter("0.embedding.weight")[CLASSES])


def test_a_class_stands_behind_the_channels_in_every_place() -> None:
    network = network_of({"type": "EmbedClass", "features": 2}, takes=(3, 4, 5), classes=5)
    made = network(torch.zeros(3, 3, 4, 5), CLASSES)
    told = network.get_parameter("0.embedding.weight")[CLASSES]
    assert made.shape == (3, 5, 4, 5)
    assert torch.equal(made[:, 3:], told[:, :, None, None].expand(3, 2, 4, 5))


def test_a_projection_adds_the_class_s_view_of_the_features() -> None:
    network = network_of({"type": "Projection"}, takes=(6,), classes=5)
    x = torch.randn(3, 6)
    parameters = dict(network.named_parameters())
    linear = x @ parameters["0.linear.weight"].T + parameters["0.linear.bias"]
    seen = (parameters["0.embedding.weight"][CLASSES] * x).sum(dim=1, keepdim=True)
    assert torch.allclose(network(x, CLASSES), linear + seen)


@pytest.mark.parametrize("takes", [(6,), (6, 2, 2)])
def test_conditional_batch_norm_scales_by_class(takes: tuple[int, ...]) -> None:
    network = network_of({"type": "ConditionalBatchNorm"}, takes=takes, classes=5)
    x = torch.randn(3, *takes)
    plain = network(x, CLASSES)
    assert float(plain.detach().mean()) == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        network.get_parameter("0.gain.weight")[2] = 3.0
        network.get_parameter("0.bias.weight")[2] = 1.0
    changed = network(x, CLASSES)
    assert torch.allclose(changed[0], 3 * plain[0] + 1, atol=1e-5)
    assert torch.allclose(changed[1], plain[1], atol=1e-5)


def test_pixel_norm_gives_each_place_a_mean_square_of_one() -> None:
    made = network_of({"type": "PixelNorm"}, takes=(6, 3, 3))(torch.randn(2, 6, 3, 3))
    assert torch.allclose(made.square().mean(dim=1), torch.ones(2, 3, 3), atol=1e-4)


def test_minibatch_std_tells_how_much_the_minibatch_varies() -> None:
    network = network_of({"type": "MinibatchStd"}, takes=(2, 3, 3))
    alike = torch.randn(1, 2, 3, 3).expand(4, -1, -1, -1)
    assert torch.allclose(network(alike)[:, 2], torch.tensor(1e-4), atol=1e-6)
    x = torch.randn(4, 2, 3, 3)
    spread = x.std(dim=0, correction=0).mean()
    assert torch.allclose(network(x)[:, 2], spread.expand(4, 3, 3), atol=1e-5)


def test_minibatch_std_has_a_gradient_where_nothing_varies() -> None:
    x = torch.ones(4, 2, requires_grad=True)
    network_of({"type": "MinibatchStd"}, takes=(2,))(x).sum().backward()
    assert x.grad is not None
    assert bool(x.grad.isfinite().all())


def test_a_residual_adds_its_scaled_body_to_its_shortcut() -> None:
    body, shortcut = {"type": "Linear", "out": 2}, {"type": "Linear", "out": 2, "bias": False}
    network = network_of(
        {"type": "Residual", "body": [body], "shortcut": [shortcut], "scale": 0.5}, takes=(3,)
    )
    x = torch.randn(4, 3)
    weights = dict(network.named_parameters())
    first = x @ weights["0.body.0.weight"].T + weights["0.body.0.bias"]
    second = x @ weights["0.shortcut.0.weight"].T
    assert torch.allclose(network(x), second + 0.5 * first)


def test_concat_puts_branches_in_their_order() -> None:
    network = network_of({"type": "Concat", "branches": [[], [{"type": "Tanh"}]]}, takes=(2,))
    x = torch.randn(4, 2)
    assert torch.equal(network(x), torch.cat((x, x.tanh()), dim=1))


SPECTRAL: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({"type": "Linear", "out": 5}, (7,)),
    ({"type": "Conv2d", "out": 6, "kernel": 3, "groups": 2}, (4, 5, 5)),
    ({"type": "ConvTranspose2d", "out": 6, "kernel": 3}, (4, 5, 5)),
]


@pytest.mark.parametrize(("module", "takes"), SPECTRAL, ids=lambda told: str(told)[:20])
def test_spectral_norm_keeps_the_largest_singular_value_at_one(
    module: dict[str, Any], takes: tuple[int, ...]
) -> None:
    network = network_of({**module, "spectralNorm": True}, takes=takes).eval()
    weight = network[0].weight
    assert isinstance(weight, torch.Tensor)
    weight = weight.detach()
    rows = weight.transpose(0, 1) if module["type"] == "ConvTranspose2d" else weight
    assert float(torch.linalg.matrix_norm(rows.flatten(1), 2)) == pytest.approx(1, abs=0.05)


def test_spectral_norm_is_drawn_from_the_seed_alone() -> None:
    modules = ({"type": "Linear", "out": 5, "spectralNorm": True},)
    first, again = network_of(*modules, takes=(7,)), network_of(*modules, takes=(7,))
    other = network_of(*modules, takes=(7,), seed=1)
    ours, theirs = first.state_dict(), again.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not torch.equal(
        ours["0.parametrizations.weight.0._u"],
        other.state_dict()["0.parametrizations.weight.0._u"],
    )


def test_every_tensor_of_a_random_network_is_drawn_from_the_seed_alone() -> None:
    networks = RandomNetworks(seed=4)
    for _ in range(40):
        definition = networks.draw_fitting()
        first = build_network(definition)
        other = copy.deepcopy(first)
        with torch.no_grad():
            for name, tensor in other.state_dict().items():
                if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                    tensor.fill_(0.25)
        before = torch.get_rng_state()
        for built in (first, other):
            initialise(built, definition, torch.Generator().manual_seed(7))
        assert torch.equal(torch.get_rng_state(), before)
        theirs = other.state_dict()
        for name, tensor in first.state_dict().items():
            assert torch.equal(tensor, theirs[name]), (name, definition)


def test_a_network_said_to_take_samples_apart_does() -> None:
    networks = RandomNetworks(seed=5)
    verdicts = []
    for _ in range(150):
        definition = networks.draw_fitting()
        built = build_network(definition)
        initialise(built, definition, torch.Generator().manual_seed(1))
        verdicts.append(takes_samples_apart(built))
        if verdicts[-1]:
            x, classes = torch.randn(2, *definition.input), torch.zeros(2, dtype=torch.int64)
            inputs = (x, classes) if definition.classes else (x,)
            alone = built(*(tensor[:1] for tensor in inputs))
            assert torch.allclose(built(*inputs)[:1], alone, rtol=1e-3, atol=1e-4), definition
    assert {True, False} == set(verdicts)


MIXING: list[dict[str, Any]] = [
    {"type": "BatchNorm"},
    {"type": "MinibatchStd"},
    {"type": "Dropout"},
    {"type": "Linear", "out": 2, "spectralNorm": True},
]


@pytest.mark.parametrize("module", MIXING, ids=lambda told: told["type"])
def test_what_mixes_draws_or_steps_does_not_take_samples_apart(module: dict[str, Any]) -> None:
    within = {"type": "Concat", "branches": [[{"type": "ReLU"}, module]]}
    assert not takes_samples_apart(network_of(within, takes=(3,)))
    assert takes_samples_apart(network_of({"type": "Linear", "out": 2}, takes=(3,)))


def block(width: int) -> dict[str, Any]:
    """A bottleneck as R3GAN has it: three convolutions."""
    return {
        "type": "Residual",
        "body": [
            {"type": "Conv2d", "out": 2 * width, "kernel": 1},
            {"type": "LeakyReLU"},
            {"type": "Conv2d", "out": 2 * width, "kernel": 3, "padding": 1, "groups": 4},
            {"type": "LeakyReLU"},
            {"type": "Conv2d", "out": width, "kernel": 1, "bias": False},
        ],
    }


def test_r3gan_s_blocks_begin_as_their_shortcuts() -> None:
    network = network_of(block(32), block(32), takes=(32, 4, 4), init="r3gan")
    x = torch.randn(2, 32, 4, 4)
    assert torch.equal(network(x), x)


def test_r3gan_s_weights_are_scaled_by_the_number_of_blocks() -> None:
    modules = (*(block(64) for _ in range(4)), {"type": "Conv2d", "out": 64, "kernel": 1})
    weights = dict(network_of(*modules, takes=(64, 4, 4), init="r3gan").named_parameters())
    # 4 blocks of 3 layers: 4^(-1/4), times the gain of LeakyReLU, over the root of the inputs.
    gain = (2 / 1.04) ** 0.5 * 4**-0.25
    assert float(weights["0.body.0.weight"].detach().std()) == pytest.approx(
        gain / 64**0.5, rel=0.05
    )
    wide = weights["0.body.2.weight"]
    assert float(wide.detach().std()) == pytest.approx(gain / (32 * 9) ** 0.5, rel=0.05)
    assert float(weights["4.weight"].detach().std()) == pytest.approx(64**-0.5, rel=0.05)
    assert float(weights["4.bias"].detach().abs().max()) == 0


def test_orthogonal_weights_are_orthogonal() -> None:
    network = network_of({"type": "Linear", "out": 8}, takes=(8,), init="orthogonal")
    weight = network.get_parameter("0.weight")
    assert torch.allclose(weight @ weight.T, torch.eye(8), atol=1e-5)


def test_state_names_tell_where_a_module_stands() -> None:
    network = network_of(block(8), takes=(8, 2, 2))
    assert next(iter(network.state_dict())) == "0.body.0.weight"
    assert infer(NetworkDefinition.model_validate(
        {"name": "Net", "input": (8, 2, 2), "modules": [block(8)]}
    )).steps[1].path == "0.body.0"  # fmt: skip
