"""Random definitions over all modules, and torch's own word on them."""

import json
from collections.abc import Callable, Sequence
from math import prod
from random import Random
from typing import Any, TypeVar

import torch

from ganforge.errors import NetworkMisfit
from ganforge.networks import Module, NetworkDefinition, definition, infer
from ganforge_learner.networks.building import build_module

Told = dict[str, Any]
Made = TypeVar("Made")
Shapes = dict[str, tuple[int, ...]]

SMALL = 4096
"""The most numbers a sample has after any module, so that many networks are tried in seconds."""

PLAIN = ("BatchNorm", "LayerNorm", "PixelNorm", "MinibatchStd", "Dropout", "Flatten")
ACTIVATIONS = ("ReLU", "LeakyReLU", "ELU", "SiLU", "GELU", "Softplus", "Sigmoid", "Tanh")
BY_CLASS = ("EmbedClass", "ConditionalBatchNorm", "Projection")
KINDS = (
    *PLAIN,
    *ACTIVATIONS,
    *("Linear", "Conv2d", "ConvTranspose2d", "Upsample", "PixelShuffle", "AvgPool2d", "MaxPool2d"),
    *("GlobalAvgPool", "GroupNorm", "InstanceNorm", "Unflatten", "Residual", "Concat"),
    *BY_CLASS,
)


class RandomNetworks:
    """Draws definitions; the same seed gives the same ones.

    Args:
        seed: of everything that is drawn.
        careless: how often a module is taken whether it fits or not.
    """

    def __init__(self, seed: int, *, careless: float = 0.03) -> None:
        self._random = Random(seed)
        self._careless = careless

    def draw(self, longest: int = 15) -> NetworkDefinition:
        """Draw a definition of up to ``longest`` modules in its own list."""
        random = self._random
        shape = [random.randint(1, 8) for _ in range(random.choice((1, 1, 2, 3, 3, 3)))]
        classes = random.choice((0, 0, random.randint(1, 5)))
        init = random.choice(("default", "dcgan", "r3gan", "orthogonal"))
        told: Told = {"name": "Net", "input": shape, "classes": classes, "init": init}
        first = self._by_class("EmbedClass") if classes else self._module(shape, 1)
        told["modules"] = [first]
        for _ in range(random.randrange(longest)):
            shape = self._shape_after(told) or shape
            module = self._module(shape, 1)
            longer = {**told, "modules": [*told["modules"], module]}
            if self._shape_after(longer) or random.random() < self._careless:
                told = longer
        return NetworkDefinition.model_validate_json(json.dumps(told))

    def draw_fitting(self) -> NetworkDefinition:
        """Draw a definition that fits."""
        while True:
            network = self.draw()
            try:
                infer(network)
            except NetworkMisfit:
                continue
            return network

    def _shape_after(self, told: Told) -> list[int] | None:
        """Give what a definition gives, or None where it does not fit or grows too large."""
        try:
            inference = infer(NetworkDefinition.model_validate(told))
        except NetworkMisfit:
            return None
        small = all(prod(step.output) <= SMALL for step in inference.steps)
        return list(inference.output) if small else None

    def _module(self, shape: Sequence[int], depth: int) -> Told:
        """Draw a module that may well fit ``shape``."""
        random = self._random
        kind = random.choice(KINDS)
        if random.random() < 0.5:  # what many shapes take, more often
            often = {1: ("Linear", "Unflatten"), 3: ("Conv2d", "ConvTranspose2d", "Upsample")}
            nested = ("Residual", "Concat")
            kind = random.choice((*often.get(len(shape), PLAIN), *nested))
        elif depth == 1 and random.random() < 0.2:
            kind = random.choice(BY_CLASS)
        match kind:
            case "Linear":
                return self._weighted(kind, 1)
            case "Conv2d" | "ConvTranspose2d":
                return self._convolution(kind, shape[0])
            case "Upsample":
                return {
                    "type": kind,
                    "factor": random.choice((2, 2, 3)),
                    "mode": random.choice(("nearest", "bilinear")),
                }
            case "PixelShuffle":
                return {"type": kind, "factor": random.choice((2, 2, 3))}
            case "AvgPool2d" | "MaxPool2d":
                told = {"type": kind, "kernel": random.randint(1, 4)}
                told["padding"] = random.choice((0, 0, 1, 2))
                return told | random.choice(({}, {"stride": random.randint(1, 3)}))
            case "GroupNorm":
                return {"type": kind, "groups": self._divisor(shape[0])}
            case "Unflatten":
                return {"type": kind, "shape": self._parts(shape[0])}
            case "Residual" | "Concat" if depth < 4:
                return self._nested(kind, shape, depth)
            case "Residual" | "Concat":
                return {"type": "Softplus"}
            case _ if kind in BY_CLASS:
                return self._by_class(kind)
            case _:
                return {"type": kind}

    def _weighted(self, kind: str, groups: int) -> Told:
        random = self._random
        if random.random() < self._careless:
            groups = 1
        return {
            "type": kind,
            "out": groups * random.randint(1, 8 // groups if groups < 8 else 1),
            "bias": random.random() < 0.5,
            "spectralNorm": random.random() < 0.2,
        }

    def _convolution(self, kind: str, channels: int) -> Told:
        random = self._random
        groups = self._divisor(channels)
        stride = random.randint(1, 3)
        told = self._weighted(kind, groups) | {
            "kernel": random.randint(1, 5),
            "stride": stride,
            "padding": random.randint(0, 3),
            "groups": groups,
        }
        if kind == "ConvTranspose2d":
            told["outputPadding"] = random.choice((0, 0, random.randint(0, stride)))
        return told

    def _nested(self, kind: str, shape: Sequence[int], depth: int) -> Told:
        random = self._random
        inner = [
            [self._module(shape, depth + 1) for _ in range(random.choice((0, 1, 1, 2)))]
            for _ in range(random.randint(1, 3))
        ]
        if kind == "Concat":
            return {"type": kind, "branches": inner}
        told: Told = {"type": kind, "body": inner[0] or [{"type": "SiLU"}], "scale": 0.5}
        same = {"type": "Conv2d", "out": shape[0], "kernel": 3, "padding": 1}
        if len(shape) == 3 and random.random() < 0.5:
            told["body"] = [same, {"type": "ReLU"}, same]
        elif random.random() < 0.3:
            told["shortcut"] = inner[0]
        return told

    def _by_class(self, kind: str) -> Told:
        match kind:
            case "EmbedClass":
                return {"type": kind, "features": self._random.randint(1, 4)}
            case "Projection":
                return {"type": kind, "spectralNorm": self._random.random() < 0.3}
            case _:
                return {"type": kind}

    def _divisor(self, number: int) -> int:
        """Draw a divisor, or now and then any number."""
        if self._random.random() < self._careless:
            return self._random.randint(1, 5)
        return self._random.choice([n for n in range(1, number + 1) if number % n == 0])

    def _parts(self, features: int) -> list[int]:
        first = self._divisor(features)
        rest = features // first
        second = self._divisor(rest) if rest else 1
        return self._random.choice(([first, second, max(1, rest // second)], [first, max(1, rest)]))


class Refused(Exception):
    """Torch does not take the network: at the module of this path."""


def shapes_by_torch(network: NetworkDefinition) -> Shapes:
    """Pass one sample through, each module built for what torch gave before it.

    Raises:
        Refused: torch refuses a module or a sample, or what it would do is not what a definition
            means; see ``_takes``.
    """
    shapes: Shapes = {}
    _line(network, "", network.modules, torch.zeros(1, *network.input), shapes)
    return shapes


def _line(
    network: NetworkDefinition,
    within: str,
    modules: Sequence[Module],
    x: torch.Tensor,
    shapes: Shapes,
) -> torch.Tensor:
    for position, module in enumerate(modules):
        path = f"{within}{position}"
        x = _pass(network, path, module, x, shapes)
        if 0 in x.shape:
            raise Refused(path)
        shapes[path] = tuple(x.shape[1:])
    return x


def _pass(
    network: NetworkDefinition, path: str, module: Module, x: torch.Tensor, shapes: Shapes
) -> torch.Tensor:
    match module:
        case definition.Residual():
            body = _line(network, f"{path}.body.", module.body, x, shapes)
            shortcut = _line(network, f"{path}.shortcut.", module.shortcut, x, shapes)
            if body.shape != shortcut.shape:  # torch would stretch one to the other
                raise Refused(path)
            return body
        case definition.Concat():
            branches = [
                _line(network, f"{path}.branches.{position}.", branch, x, shapes)
                for position, branch in enumerate(module.branches)
            ]
            return _asked(path, lambda: torch.cat(branches, dim=1))
    if not _takes(network, path, module, x):
        raise Refused(path)
    shape = tuple(x.shape[1:])
    built = _asked(path, lambda: build_module(module, shape, classes=network.classes)).eval()
    if isinstance(module, definition.ClassModule):
        x = _asked(path, lambda: built(x, torch.zeros(1, dtype=torch.int64)))
    else:
        x = _asked(path, lambda: built(x))
    return x


def _asked(path: str, what: Callable[[], Made]) -> Made:
    try:
        return what()
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        raise Refused(path) from error


IMAGES = (
    definition.Conv2d,
    definition.ConvTranspose2d,
    definition.Upsample,
    definition.PixelShuffle,
    definition.AvgPool2d,
    definition.MaxPool2d,
    definition.GlobalAvgPool,
    definition.InstanceNorm,
)
FEATURES = (definition.Linear, definition.Unflatten, definition.Projection)


def _takes(network: NetworkDefinition, path: str, module: Module, x: torch.Tensor) -> bool:
    """Tell whether a definition lets torch try at all.

    Torch takes three dimensions for one image without a batch, and sums over the last of several;
    a definition means neither. Nor would torch notice that it is to divide by a norm of 0.
    """
    if network.init == "r3gan" and getattr(module, "spectral_norm", False):
        return False
    if isinstance(module, definition.ClassModule) and (not network.classes or "." in path):
        return False
    if isinstance(module, IMAGES):
        return x.dim() == 4
    return x.dim() == 2 if isinstance(module, FEATURES) else True
