"""Networks built from their definitions, as plain ``torch.nn.Sequential``."""

import os

import torch
from torch import nn

from ganforge.networks import Module, NetworkDefinition, infer
from ganforge.networks.definition import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    ReLU,
    Sigmoid,
    Tanh,
    Unflatten,
)
from ganforge_learner import weights

DCGAN_STD = 0.02

_APART = frozenset(
    {
        nn.Sequential,
        nn.Linear,
        nn.Conv2d,
        nn.ConvTranspose2d,
        nn.ReLU,
        nn.LeakyReLU,
        nn.Sigmoid,
        nn.Tanh,
        nn.Flatten,
        nn.Unflatten,
    }
)


def build_network(definition: NetworkDefinition) -> nn.Sequential:
    """Build a network; its weights are not initialised by any seed yet.

    Returns:
        A module that takes (N, *definition.input) float32; its ``state_dict`` has exactly the
        names and shapes of ``ganforge.networks.infer(definition).tensors``.

    Raises:
        NetworkMisfit: the modules do not fit each other.
    """
    shapes = (definition.input, *infer(definition).shapes)
    return nn.Sequential(
        *(_module(module, shape) for module, shape in zip(definition.modules, shapes, strict=False))
    )


def _module(module: Module, shape: tuple[int, ...]) -> nn.Module:
    """Build one module, which is given samples of ``shape``."""
    match module:
        case Linear():
            return nn.Linear(shape[0], module.out, bias=module.bias)
        case Conv2d() | ConvTranspose2d():
            return _convolution(module, shape[0])
        case BatchNorm():
            return nn.BatchNorm1d(shape[0]) if len(shape) == 1 else nn.BatchNorm2d(shape[0])
        case LeakyReLU():
            return nn.LeakyReLU(module.slope)
        case Dropout():
            return nn.Dropout(module.p)
        case Unflatten():
            return nn.Unflatten(1, module.shape)
        case ReLU():
            return nn.ReLU()
        case Sigmoid():
            return nn.Sigmoid()
        case Tanh():
            return nn.Tanh()
        case Flatten():
            return nn.Flatten()


def _convolution(module: Conv2d | ConvTranspose2d, channels: int) -> nn.Module:
    kind = nn.Conv2d if isinstance(module, Conv2d) else nn.ConvTranspose2d
    return kind(
        channels,
        module.out,
        module.kernel,
        stride=module.stride,
        padding=module.padding,
        bias=module.bias,
    )


@torch.no_grad()
def initialise(
    network: nn.Module, definition: NetworkDefinition, generator: torch.Generator
) -> None:
    """Draw a network's first weights from ``generator``, as its definition says.

    ``default`` is torch's: Kaiming-uniform weights with a = sqrt(5), that is U(-b, b) with
    b = 1 / sqrt(fan_in), biases alike. ``dcgan``: N(0, 0.02), BatchNorm N(1, 0.02), biases 0.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.reset_parameters()
            if definition.init == "dcgan":
                module.weight.normal_(1.0, DCGAN_STD, generator=generator)
        elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            _initialise_weighted(module, definition.init, generator)


def _initialise_weighted(
    module: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, init: str, generator: torch.Generator
) -> None:
    if init == "dcgan":
        module.weight.normal_(0.0, DCGAN_STD, generator=generator)
        if module.bias is not None:
            module.bias.zero_()
        return
    bound = module.weight[0].numel() ** -0.5
    for tensor in (module.weight, module.bias):
        if tensor is not None:
            tensor.uniform_(-bound, bound, generator=generator)


def takes_samples_apart(network: nn.Module) -> bool:
    """Tell whether each sample surely passes as if it were alone, and always alike.

    It does not through BatchNorm, which mixes the minibatch, nor through Dropout, which draws;
    of modules that are not known here nothing is sure.
    """
    return all(type(module) in _APART for module in network.modules())


def load_generator(
    file: str | os.PathLike[str] | bytes, definition: NetworkDefinition
) -> nn.Sequential:
    """Build a network and load its weights from a safetensors file, ready to draw samples.

    Raises:
        BadWeights: the file is broken or does not fit the definition.
    """
    network = build_network(definition)
    weights.load(file, network, definition.name)
    return network.eval().requires_grad_(False)
