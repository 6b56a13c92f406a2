"""Shapes and tensors of a network, worked out without torch; pure."""

from dataclasses import dataclass
from math import prod

from ganforge.errors import NetworkMisfit
from ganforge.networks.definition import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Linear,
    Module,
    NetworkDefinition,
    Unflatten,
)

MAX_PARAMETERS = 1 << 28
MAX_ACTIVATION = 1 << 26
"""Numbers of one sample after one module: four samples more would fill a gigabyte."""

Shape = tuple[int, ...]
Tensors = dict[str, tuple[str, Shape]]


@dataclass(frozen=True)
class Inference:
    """What follows from a definition.

    Attributes:
        shapes: one sample's shape after each module.
        tensors: name -> (dtype in safetensors' words, shape), exactly those that
            ``torch.nn.Sequential(...).state_dict()`` has.
    """

    shapes: tuple[Shape, ...]
    tensors: Tensors

    @property
    def output(self) -> Shape:
        """One sample's shape after the last module."""
        return self.shapes[-1]

    @property
    def parameters(self) -> int:
        """How many numbers all tensors hold."""
        return sum(prod(shape) for _, shape in self.tensors.values())


def infer(definition: NetworkDefinition) -> Inference:
    """Work out the shapes and tensors of a network.

    Raises:
        NetworkMisfit: a module cannot take what the one before it gives, or the network would
            not fit into memory; the words name the module.
    """
    shape: Shape = definition.input
    shapes: list[Shape] = []
    tensors: Tensors = {}
    _refuse_huge(shape, f"{definition.name}: takes")
    for position, module in enumerate(definition.modules):
        where = f"{definition.name}, module {position} ({module.type})"
        own, shape = _step(module, shape, where)
        tensors |= {f"{position}.{name}": tensor for name, tensor in own.items()}
        _refuse_huge(shape, f"{where}: gives")
        shapes.append(shape)
    found = Inference(tuple(shapes), tensors)
    if found.parameters > MAX_PARAMETERS:
        raise NetworkMisfit(
            f"{definition.name}: {found.parameters} parameters are more than {MAX_PARAMETERS}"
        )
    return found


def _refuse_huge(shape: Shape, what: str) -> None:
    if prod(shape) > MAX_ACTIVATION:
        raise NetworkMisfit(f"{what} {_say(shape)}, more than {MAX_ACTIVATION} numbers a sample")


def _step(module: Module, shape: Shape, where: str) -> tuple[Tensors, Shape]:
    """Give a module's own tensors and the shape it gives."""
    match module:
        case Linear():
            return _linear(module, shape, where)
        case Conv2d() | ConvTranspose2d():
            return _convolution(module, shape, where)
        case BatchNorm():
            return _batch_norm(shape, where)
        case Flatten():
            return {}, (prod(shape),)
        case Unflatten():
            return {}, _unflatten(module, shape, where)
        case _:
            return {}, shape


def _linear(module: Linear, shape: Shape, where: str) -> tuple[Tensors, Shape]:
    if len(shape) != 1:
        raise NetworkMisfit(f"{where}: takes features but is given {_say(shape)}: add a Flatten")
    return _weighted((module.out, shape[0]), module.out, bias=module.bias), (module.out,)


def _convolution(
    module: Conv2d | ConvTranspose2d, shape: Shape, where: str
) -> tuple[Tensors, Shape]:
    if len(shape) != 3:
        raise NetworkMisfit(
            f"{where}: takes channels, height and width but is given {_say(shape)}: "
            "add an Unflatten"
        )
    channels, *sides = shape
    kernel, stride, padding = module.kernel, module.stride, module.padding
    if isinstance(module, Conv2d):
        weight = (module.out, channels, kernel, kernel)
        sides = [(side + 2 * padding - kernel) // stride + 1 for side in sides]
    else:
        weight = (channels, module.out, kernel, kernel)
        sides = [(side - 1) * stride - 2 * padding + kernel for side in sides]
    if min(sides) < 1:
        raise NetworkMisfit(
            f"{where}: a kernel of {kernel} with stride {stride} and padding {padding} leaves "
            f"nothing of {_say(shape)}: take a smaller kernel or more padding"
        )
    return _weighted(weight, module.out, bias=module.bias), (module.out, *sides)


def _weighted(weight: Shape, out: int, *, bias: bool) -> Tensors:
    tensors: Tensors = {"weight": ("F32", weight)}
    return {**tensors, "bias": ("F32", (out,))} if bias else tensors


def _batch_norm(shape: Shape, where: str) -> tuple[Tensors, Shape]:
    if len(shape) == 2:
        raise NetworkMisfit(
            f"{where}: takes features, or channels, height and width, but is given {_say(shape)}"
        )
    names = ("weight", "bias", "running_mean", "running_var")
    tensors: Tensors = dict.fromkeys(names, ("F32", (shape[0],)))
    return {**tensors, "num_batches_tracked": ("I64", ())}, shape


def _unflatten(module: Unflatten, shape: Shape, where: str) -> Shape:
    if len(shape) != 1:
        raise NetworkMisfit(f"{where}: takes features but is given {_say(shape)}: add a Flatten")
    if prod(module.shape) != shape[0]:
        raise NetworkMisfit(
            f"{where}: {_say(module.shape)} takes {prod(module.shape)} features "
            f"but is given {shape[0]}"
        )
    return module.shape


def _say(shape: Shape) -> str:
    return "x".join(map(str, shape))
