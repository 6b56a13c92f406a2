"""What each module makes of a shape, and the tensors it has; pure, without torch."""

from collections.abc import Sequence
from math import prod

from ganforge.networks.definition import (
    AvgPool2d,
    BatchNorm,
    ConditionalBatchNorm,
    Conv2d,
    ConvTranspose2d,
    EmbedClass,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Linear,
    MaxPool2d,
    MinibatchStd,
    Module,
    PixelShuffle,
    Projection,
    Unflatten,
    Upsample,
)

Shape = tuple[int, ...]
Tensors = dict[str, tuple[str, Shape]]
"""Name -> (dtype in safetensors' words, shape), in the order of a ``state_dict``."""

Convolution = Conv2d | ConvTranspose2d
Pooling = AvgPool2d | MaxPool2d


class Misfit(Exception):
    """A module cannot take what it is given; the words do not name the module yet."""


def step(module: Module, shape: Shape, classes: int) -> tuple[Tensors, Shape]:
    """Give a module's own tensors and the shape it gives; not for modules made of modules.

    Args:
        module: what is given a sample.
        shape: the sample's shape.
        classes: how many classes there are.

    Raises:
        Misfit: the module does not take the shape.
    """
    match module:
        case Linear():
            _require_features(shape)
            return _weighted(module, (module.out, shape[0])), (module.out,)
        case Conv2d() | ConvTranspose2d():
            return _convolution(module, shape)
        case Upsample():
            channels, *sides = _image(shape)
            return {}, (channels, *(side * module.factor for side in sides))
        case PixelShuffle():
            return {}, _shuffled(module, shape)
        case AvgPool2d() | MaxPool2d():
            return {}, _pooled(module, shape)
        case GlobalAvgPool():
            return {}, _image(shape)[:1]
        case BatchNorm() | LayerNorm() | GroupNorm() | InstanceNorm():
            return _norm(module, shape), shape
        case MinibatchStd():
            return {}, (shape[0] + 1, *shape[1:])
        case Flatten():
            return {}, (prod(shape),)
        case Unflatten():
            return {}, _unflattened(module, shape)
        case EmbedClass() | ConditionalBatchNorm() | Projection():
            return _by_class(module, shape, classes)
        case _:
            return {}, shape


def join(shapes: Sequence[Shape]) -> Shape:
    """Give the shape of samples put one behind the other by features or channels.

    Raises:
        Misfit: they differ elsewhere.
    """
    if len({shape[1:] for shape in shapes}) != 1:
        said = ", ".join(dict.fromkeys(map(say, shapes)))
        raise Misfit(f"the branches give {said}, which differ in more than the first number")
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


def add(body: Shape, shortcut: Shape) -> Shape:
    """Give the shape of a sum.

    Raises:
        Misfit: the shapes differ.
    """
    if body != shortcut:
        raise Misfit(
            f"the body gives {say(body)} but the shortcut {say(shortcut)}: "
            "let both give the same shape"
        )
    return body


def say(shape: Shape) -> str:
    """Write a shape as 3x32x32."""
    return "x".join(map(str, shape))


def _require_features(shape: Shape) -> None:
    if len(shape) != 1:
        raise Misfit(f"takes features but is given {say(shape)}: add a Flatten")


def _image(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise Misfit(
            f"takes channels, height and width but is given {say(shape)}: add an Unflatten"
        )
    return shape


def _weighted(module: Linear | Convolution, weight: Shape) -> Tensors:
    bias: Tensors = {"bias": ("F32", (module.out,))} if module.bias else {}
    if module.spectral_norm:
        return bias | _spectral(weight, transposed=isinstance(module, ConvTranspose2d))
    return {"weight": ("F32", weight), **bias}


def _spectral(weight: Shape, *, transposed: bool = False) -> Tensors:
    """Give the tensors of torch's ``spectral_norm``: weights and both singular vectors."""
    rows = weight[1 if transposed else 0]
    return {
        "parametrizations.weight.original": ("F32", weight),
        "parametrizations.weight.0._u": ("F32", (rows,)),
        "parametrizations.weight.0._v": ("F32", (prod(weight) // rows,)),
    }


def _convolution(module: Convolution, shape: Shape) -> tuple[Tensors, Shape]:
    channels, *sides = _image(shape)
    kernel, stride, padding, groups = module.kernel, module.stride, module.padding, module.groups
    if channels % groups or module.out % groups:
        raise Misfit(
            f"{channels} channels to {module.out} do not fall into {groups} groups: "
            "take a number that divides both"
        )
    if isinstance(module, Conv2d):
        weight = (module.out, channels // groups, kernel, kernel)
        sides = [(side + 2 * padding - kernel) // stride + 1 for side in sides]
    else:
        _check_output_padding(module)
        weight = (channels, module.out // groups, kernel, kernel)
        added = kernel + module.output_padding - 2 * padding
        sides = [(side - 1) * stride + added for side in sides]
    if min(sides) < 1:
        smaller, more = "smaller", "more"
        if isinstance(module, ConvTranspose2d):
            smaller, more = "larger", "less"
        raise Misfit(
            f"a kernel of {kernel} with stride {stride} and padding {padding} leaves "
            f"nothing of {say(shape)}: take a {smaller} kernel or {more} padding"
        )
    return _weighted(module, weight), (module.out, *sides)


def _check_output_padding(module: ConvTranspose2d) -> None:
    if module.output_padding >= module.stride:
        raise Misfit(
            f"outputPadding of {module.output_padding} must be less than the stride, "
            f"{module.stride}"
        )


def _shuffled(module: PixelShuffle, shape: Shape) -> Shape:
    channels, *sides = _image(shape)
    block = module.factor**2
    if channels % block:
        raise Misfit(
            f"{channels} channels do not fall into blocks of {block}: "
            f"take a multiple, or another factor than {module.factor}"
        )
    return (channels // block, *(side * module.factor for side in sides))


def _pooled(module: Pooling, shape: Shape) -> Shape:
    channels, *sides = _image(shape)
    kernel, padding = module.kernel, module.padding
    stride = module.stride or kernel
    if 2 * padding > kernel:
        raise Misfit(f"padding of {padding} is more than half the kernel of {kernel}")
    sides = [(side + 2 * padding - kernel) // stride + 1 for side in sides]
    if min(sides) < 1:
        raise Misfit(f"a kernel of {kernel} is larger than {say(shape)}: take a smaller one")
    return (channels, *sides)


def _norm(module: BatchNorm | LayerNorm | GroupNorm | InstanceNorm, shape: Shape) -> Tensors:
    match module:
        case BatchNorm():
            _require_normal(shape)
            names = ("weight", "bias", "running_mean", "running_var")
            tensors: Tensors = dict.fromkeys(names, ("F32", shape[:1]))
            return {**tensors, "num_batches_tracked": ("I64", ())}
        case LayerNorm():
            return dict.fromkeys(("weight", "bias"), ("F32", shape))
        case GroupNorm() if shape[0] % module.groups:
            raise Misfit(
                f"{shape[0]} channels do not fall into {module.groups} groups: "
                "take a number that divides them"
            )
        case GroupNorm() if prod(shape) == module.groups:
            raise Misfit(f"{module.groups} groups of {say(shape)} hold one number each")
        case InstanceNorm() if prod(_image(shape)[1:]) == 1:
            raise Misfit(f"the channels of {say(shape)} hold one number each")
        case _:
            return dict.fromkeys(("weight", "bias"), ("F32", shape[:1]))


def _require_normal(shape: Shape) -> None:
    if len(shape) == 2:
        raise Misfit(f"takes features, or channels, height and width, but is given {say(shape)}")


def _unflattened(module: Unflatten, shape: Shape) -> Shape:
    _require_features(shape)
    if prod(module.shape) != shape[0]:
        raise Misfit(
            f"{say(module.shape)} takes {prod(module.shape)} features but is given {shape[0]}"
        )
    return module.shape


def _by_class(
    module: EmbedClass | ConditionalBatchNorm | Projection, shape: Shape, classes: int
) -> tuple[Tensors, Shape]:
    if not classes:
        raise Misfit("takes the sample's class, but the network has none: set classes")
    match module:
        case EmbedClass():
            embedding: Tensors = {"embedding.weight": ("F32", (classes, module.features))}
            return embedding, (shape[0] + module.features, *shape[1:])
        case ConditionalBatchNorm():
            _require_normal(shape)
            table = ("F32", (classes, shape[0]))
            running: Tensors = dict.fromkeys(
                ("norm.running_mean", "norm.running_var"), ("F32", shape[:1])
            )
            count: Tensors = {"norm.num_batches_tracked": ("I64", ())}
            return running | count | {"gain.weight": table, "bias.weight": table}, shape
        case Projection():
            _require_features(shape)
            return _projection(module, shape[0], classes), (1,)


def _projection(module: Projection, features: int, classes: int) -> Tensors:
    linear = _weighted(Linear(out=1, spectral_norm=module.spectral_norm), (1, features))
    table = (classes, features)
    embedding: Tensors = _spectral(table) if module.spectral_norm else {"weight": ("F32", table)}
    named = {f"linear.{name}": tensor for name, tensor in linear.items()}
    return named | {f"embedding.{name}": tensor for name, tensor in embedding.items()}
