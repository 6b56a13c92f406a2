"""Networks built from their definitions, of torch's modules and our own."""

import os
from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ganforge.networks import Module, NetworkDefinition, definition, infer
from ganforge.networks.rules import Shape
from ganforge_learner import weights
from ganforge_learner.networks import modules
from ganforge_learner.networks.modules import ConditionalNetwork

_APART = frozenset(
    {
        nn.Sequential,
        nn.ModuleList,
        ConditionalNetwork,
        nn.Linear,
        nn.Conv2d,
        nn.ConvTranspose2d,
        nn.Embedding,
        nn.Upsample,
        nn.PixelShuffle,
        nn.AvgPool2d,
        nn.MaxPool2d,
        nn.LayerNorm,
        nn.GroupNorm,
        nn.InstanceNorm2d,
        nn.ReLU,
        nn.LeakyReLU,
        nn.ELU,
        nn.SiLU,
        nn.GELU,
        nn.Softplus,
        nn.Sigmoid,
        nn.Tanh,
        nn.Flatten,
        nn.Unflatten,
        modules.GlobalAvgPool,
        modules.PixelNorm,
        modules.Residual,
        modules.Concat,
        modules.EmbedClass,
        modules.Projection,
    }
)


_PLAIN: dict[type, type[nn.Module]] = {
    definition.GlobalAvgPool: modules.GlobalAvgPool,
    definition.PixelNorm: modules.PixelNorm,
    definition.MinibatchStd: modules.MinibatchStd,
    definition.ReLU: nn.ReLU,
    definition.ELU: nn.ELU,
    definition.SiLU: nn.SiLU,
    definition.GELU: nn.GELU,
    definition.Softplus: nn.Softplus,
    definition.Sigmoid: nn.Sigmoid,
    definition.Tanh: nn.Tanh,
    definition.Flatten: nn.Flatten,
}
"""What needs no arguments."""


def build_network(network: NetworkDefinition) -> nn.Sequential:
    """Build a network; its weights are not initialised by any seed yet.

    Returns:
        A module that takes (N, *network.input) float32, and when ``network.classes`` is not 0
        the samples' classes beside it, int64 of shape (N); its ``state_dict`` has exactly the
        names and shapes of ``ganforge.networks.infer(network).tensors``.

    Raises:
        NetworkMisfit: the modules do not fit each other.
    """
    built = _Build(network).line("", network.modules, network.input)
    return ConditionalNetwork(*built) if network.classes else nn.Sequential(*built)


class _Build:
    """A network being built, each module for the shape it is given."""

    def __init__(self, network: NetworkDefinition) -> None:
        self._outputs = {step.path: step.output for step in infer(network).steps}
        self._classes = network.classes

    def line(self, within: str, listed: Sequence[Module], shape: Shape) -> list[nn.Module]:
        """Build modules that follow each other; the first is given samples of ``shape``."""
        built = []
        for position, module in enumerate(listed):
            path = f"{within}{position}"
            built.append(self._module(path, module, shape))
            shape = self._outputs[path]
        return built

    def _module(self, path: str, module: Module, shape: Shape) -> nn.Module:
        match module:
            case definition.Residual():
                body = nn.Sequential(*self.line(f"{path}.body.", module.body, shape))
                shortcut = nn.Sequential(*self.line(f"{path}.shortcut.", module.shortcut, shape))
                return modules.Residual(body, shortcut, module.scale)
            case definition.Concat():
                branches = (
                    self.line(f"{path}.branches.{position}.", branch, shape)
                    for position, branch in enumerate(module.branches)
                )
                return modules.Concat([nn.Sequential(*branch) for branch in branches])
            case _:
                return build_module(module, shape, classes=self._classes)


def build_module(module: Module, shape: Shape, *, classes: int = 0) -> nn.Module:
    """Build a module that is not made of others.

    Args:
        module: what to build.
        shape: of the samples it is given, without the batch.
        classes: how many classes there are.
    """
    match module:
        case definition.Linear() | definition.Conv2d() | definition.ConvTranspose2d():
            weighted = _weighted(module, shape[0])
            return spectral_norm(weighted) if module.spectral_norm else weighted
        case definition.Upsample():
            return nn.Upsample(scale_factor=module.factor, mode=module.mode)
        case definition.PixelShuffle():
            return nn.PixelShuffle(module.factor)
        case definition.AvgPool2d():
            return nn.AvgPool2d(module.kernel, module.stride, module.padding)
        case definition.MaxPool2d():
            return nn.MaxPool2d(module.kernel, module.stride, module.padding)
        case definition.LeakyReLU():
            return nn.LeakyReLU(module.slope)
        case definition.Dropout():
            return nn.Dropout(module.p)
        case definition.Unflatten():
            return nn.Unflatten(1, module.shape)
        case definition.EmbedClass():
            return modules.EmbedClass(classes, module.features)
        case definition.Projection():
            return modules.Projection(shape[0], classes, spectral=module.spectral_norm)
        case _ if type(module) in _PLAIN:
            return _PLAIN[type(module)]()
        case _:
            return _norm(module, shape, classes)


def _norm(module: Module, shape: Shape, classes: int) -> nn.Module:
    match module:
        case definition.BatchNorm():
            return _batch_norm(shape, affine=True)
        case definition.ConditionalBatchNorm():
            return modules.ConditionalBatchNorm(_batch_norm(shape, affine=False), classes)
        case definition.LayerNorm():
            return nn.LayerNorm(shape)
        case definition.GroupNorm():
            return nn.GroupNorm(module.groups, shape[0])
        case definition.InstanceNorm():
            return nn.InstanceNorm2d(shape[0], affine=True)
        case _:
            raise TypeError(f"{module.type} is no module that can be built")


def _weighted(
    module: definition.Linear | definition.Conv2d | definition.ConvTranspose2d, given: int
) -> nn.Module:
    if isinstance(module, definition.Linear):
        return nn.Linear(given, module.out, bias=module.bias)
    told: dict[str, Any] = {
        "stride": module.stride,
        "padding": module.padding,
        "groups": module.groups,
        "bias": module.bias,
    }
    if isinstance(module, definition.Conv2d):
        return nn.Conv2d(given, module.out, module.kernel, **told)
    return nn.ConvTranspose2d(
        given, module.out, module.kernel, output_padding=module.output_padding, **told
    )


def _batch_norm(shape: Shape, *, affine: bool) -> nn.BatchNorm1d | nn.BatchNorm2d:
    kind = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
    return kind(shape[0], affine=affine)


def takes_samples_apart(network: nn.Module) -> bool:
    """Tell whether each sample surely passes as if it were alone, and always alike.

    It does not through BatchNorm or MinibatchStd, which mix the minibatch, nor through Dropout,
    which draws, nor through spectral norm, which takes a step at each pass; of modules that are
    not known here nothing is sure.
    """
    return all(type(module) in _APART for module in network.modules())


def load_generator(
    file: str | os.PathLike[str] | bytes, network: NetworkDefinition
) -> nn.Sequential:
    """Build a network and load its weights from a safetensors file, ready to draw samples.

    Raises:
        BadWeights: the file is broken or does not fit the definition.
    """
    built = build_network(network)
    weights.load(file, built, network.name)
    return built.eval().requires_grad_(False)
