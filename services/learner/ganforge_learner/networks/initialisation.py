"""The first weights of a network, drawn from one random stream."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrize import is_parametrized

from ganforge.networks import NetworkDefinition
from ganforge_learner.networks.modules import (
    ConditionalBatchNorm,
    EmbedClass,
    Projection,
    Residual,
)

DCGAN_STD = 0.02
LEAKY_GAIN = (2 / (1 + 0.2**2)) ** 0.5
"""Keeps the variance through LeakyReLU with a slope of 0.2 (He et al. 2015, equation 15)."""

POWER_STEPS = 15
"""Steps of the power method before the first pass, as torch's ``spectral_norm`` takes."""

_WEIGHTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)


@torch.no_grad()
def initialise(
    network: nn.Module, definition: NetworkDefinition, generator: torch.Generator
) -> None:
    """Draw a network's first weights from ``generator``, as its definition says.

    ``default`` is torch's: Kaiming-uniform weights with a = sqrt(5), that is U(-b, b) with
    b = 1 / sqrt(fan_in), biases alike. ``dcgan``: N(0, 0.02), BatchNorm N(1, 0.02), biases 0.
    ``r3gan``: see ``_r3gan_stds``; biases 0. ``orthogonal``: orthogonal, biases 0.

    Embeddings that stand beside features are N(0, 1), like latents; a Projection's is drawn as
    other weights are. Any singular vectors of spectral norm are drawn last.
    """
    stds = _r3gan_stds(network) if definition.init == "r3gan" else {}
    for module in network.modules():
        if isinstance(module, _NORMS):
            module.reset_parameters()
            if definition.init == "dcgan" and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                _scatter(module.weight, generator)
        elif isinstance(module, _WEIGHTED):
            _draw(weight_of(module), module.bias, definition.init, stds.get(module), generator)
        elif isinstance(module, Projection):
            std = stds.get(module.linear)  # both are multiplied with the same features
            _draw(weight_of(module.embedding), None, definition.init, std, generator)
        elif isinstance(module, EmbedClass):
            module.embedding.weight.normal_(generator=generator)
        elif isinstance(module, ConditionalBatchNorm):
            module.gain.weight.fill_(1.0)
            module.bias.weight.zero_()
            if definition.init == "dcgan":
                _scatter(module.gain.weight, generator)
    for module in network.modules():
        _draw_singular_vectors(module, generator)


def weight_of(module: nn.Module) -> Tensor:
    """Give the weights that are learnt, also where spectral norm makes others of them."""
    name = "parametrizations.weight.original" if is_parametrized(module, "weight") else "weight"
    return module.get_parameter(name)


def _scatter(weight: Tensor | None, generator: torch.Generator) -> None:
    if weight is not None:
        weight.normal_(1.0, DCGAN_STD, generator=generator)


def _draw(
    weight: Tensor, bias: Tensor | None, init: str, std: float | None, generator: torch.Generator
) -> None:
    """Draw one module's weights and bias; ``std`` is said by r3gan alone."""
    match init:
        case "dcgan" | "r3gan":
            weight.normal_(0.0, DCGAN_STD if std is None else std, generator=generator)
        case "orthogonal":
            nn.init.orthogonal_(weight, generator=generator)
        case _:
            bound = weight[0].numel() ** -0.5
            for tensor in (weight, bias):
                if tensor is not None:
                    tensor.uniform_(-bound, bound, generator=generator)
            return
    if bias is not None:
        bias.zero_()


def _r3gan_stds(network: nn.Module) -> dict[nn.Module, float]:
    """Give each weighted module's standard deviation in R3GAN's networks.

    Outside residual blocks 1 / sqrt(inputs). In the m weighted modules of a body, of L in the
    network: the gain of LeakyReLU times L^(-1 / (2m - 2)) over sqrt(inputs), and 0 in the last,
    so that each block begins as its shortcut (Zhang et al. 2019, section 3; Huang et al. 2024,
    section 3.2).
    """
    stds: dict[nn.Module, float] = {
        module: _inputs(module) ** -0.5
        for module in network.modules()
        if isinstance(module, _WEIGHTED)
    }
    bodies = [
        weighted
        for module in network.modules()
        if isinstance(module, Residual)
        and (weighted := [inner for inner in module.body.modules() if isinstance(inner, _WEIGHTED)])
    ]
    for *first, last in bodies:  # those within others come later, and have the last word
        for module in first:
            gain = LEAKY_GAIN * len(bodies) ** (-0.5 / len(first))
            stds[module] = gain * _inputs(module) ** -0.5
        stds[last] = 0.0
    return stds


def _inputs(module: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> int:
    """Count the numbers that each number it gives is a sum of.

    Of a transposed convolution: where the kernel's copies do not overlap, as at 1x1 or with a
    stride as large as the kernel.
    """
    if isinstance(module, nn.ConvTranspose2d):
        return module.in_channels // module.groups
    return weight_of(module)[0].numel()


def _draw_singular_vectors(module: nn.Module, generator: torch.Generator) -> None:
    """Draw what spectral norm starts from, and bring it near the first singular vectors."""
    if not is_parametrized(module, "weight"):
        return
    parametrized = module.get_submodule("parametrizations.weight")
    for vector in parametrized.buffers():
        vector.copy_(normalize(vector.normal_(generator=generator), dim=0))
    was_training = parametrized.training
    parametrized.train()
    for _ in range(POWER_STEPS):
        parametrized()  # takes one step of the power method
    parametrized.train(was_training)
