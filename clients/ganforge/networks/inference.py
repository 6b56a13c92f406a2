"""Shapes and tensors of a network, worked out without torch; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ganforge.errors import NetworkMisfit
from ganforge.networks import rules
from ganforge.networks.definition import ClassModule, Concat, Module, NetworkDefinition, Residual
from ganforge.networks.rules import Misfit, Shape, Tensors, say

MAX_PARAMETERS = 1 << 28
MAX_ACTIVATION = 1 << 26
"""Numbers of one sample after one module: four samples more would fill a gigabyte."""

MAX_ACTIVATIONS = 1 << 27
"""Numbers of one sample after all modules, which training keeps for the gradients."""


@dataclass(frozen=True)
class Step:
    """What follows from one module, be it within others.

    Attributes:
        path: its place, as the names of its tensors begin: ``3`` or ``3.body.0``.
        type: what the definition calls it.
        output: one sample's shape after it.
        parameters: how many numbers its tensors hold, those within it included.
    """

    path: str
    type: str
    output: Shape
    parameters: int


@dataclass(frozen=True)
class Inference:
    """What follows from a definition.

    Attributes:
        shapes: one sample's shape after each module of the network's own list.
        tensors: name -> (dtype in safetensors' words, shape), exactly those that the
            ``state_dict()`` of the network has when it is built, in the same order.
        steps: all modules, each before those within it.
    """

    shapes: tuple[Shape, ...]
    tensors: Tensors
    steps: tuple[Step, ...]

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

    Nothing is allocated, and it takes no longer than a definition is long.

    Raises:
        NetworkMisfit: a module cannot take what the one before it gives, or the network would
            not fit into memory; the words name the module.
    """
    return _Walk(definition).through()


class _Walk:
    """One way through a definition, with all that was seen on it."""

    def __init__(self, definition: NetworkDefinition) -> None:
        self._definition = definition
        self._tensors: Tensors = {}
        self._steps: list[Step | None] = []
        self._parameters = 0
        self._activations = 0

    def through(self) -> Inference:
        """Go through the whole definition."""
        definition = self._definition
        if prod(definition.input) > MAX_ACTIVATION:
            raise NetworkMisfit(
                f"{definition.name}: takes {say(definition.input)}, more than {MAX_ACTIVATION} "
                "numbers a sample"
            )
        asks_class = any(isinstance(module, ClassModule) for module in definition.modules)
        if definition.classes and not asks_class:
            raise NetworkMisfit(
                f"{definition.name}: takes {definition.classes} classes but no module looks at "
                "them: add an EmbedClass, a ConditionalBatchNorm or a Projection"
            )
        shapes = self._line("", definition.modules, definition.input)
        return Inference(
            tuple(shapes), self._tensors, tuple(step for step in self._steps if step is not None)
        )

    def _line(self, within: str, modules: Sequence[Module], shape: Shape) -> list[Shape]:
        """Go through modules one after the other; gives the shape after each."""
        shapes = []
        for position, module in enumerate(modules):
            shape = self._module(f"{within}{position}", module, shape)
            shapes.append(shape)
        return shapes

    def _last(self, within: str, modules: Sequence[Module], shape: Shape) -> Shape:
        return self._line(within, modules, shape)[-1] if modules else shape

    def _module(self, path: str, module: Module, shape: Shape) -> Shape:
        place, before = len(self._steps), self._parameters
        self._steps.append(None)  # filled in once what is within it is known
        try:
            shape = self._given(path, module, shape)
            self._count(shape)
        except Misfit as misfit:
            where = f"{self._definition.name}, module {path} ({module.type})"
            raise NetworkMisfit(f"{where}: {misfit}") from None
        self._steps[place] = Step(path, module.type, shape, self._parameters - before)
        return shape

    def _given(self, path: str, module: Module, shape: Shape) -> Shape:
        """Give what a module makes of a sample."""
        match module:
            case Residual():
                body = self._last(f"{path}.body.", module.body, shape)
                return rules.add(body, self._last(f"{path}.shortcut.", module.shortcut, shape))
            case Concat():
                return rules.join(
                    [
                        self._last(f"{path}.branches.{position}.", branch, shape)
                        for position, branch in enumerate(module.branches)
                    ]
                )
            case _:
                if isinstance(module, ClassModule) and "." in path:
                    raise Misfit("may stand in the network's own list only, within no other module")
                if self._definition.init == "r3gan" and getattr(module, "spectral_norm", False):
                    raise Misfit("has spectralNorm, which weights of 0 do not take: another init")
                own, shape = rules.step(module, shape, self._definition.classes)
                self._tensors |= {f"{path}.{name}": tensor for name, tensor in own.items()}
                self._parameters += sum(prod(sizes) for _, sizes in own.values())
                return shape

    def _count(self, shape: Shape) -> None:
        """Refuse what would not fit into memory."""
        self._activations += prod(shape)
        if prod(shape) > MAX_ACTIVATION:
            raise Misfit(f"gives {say(shape)}, more than {MAX_ACTIVATION} numbers a sample")
        if self._activations > MAX_ACTIVATIONS:
            raise Misfit(
                f"up to here {self._activations} numbers a sample are more than {MAX_ACTIVATIONS}"
            )
        if self._parameters > MAX_PARAMETERS:
            raise Misfit(f"up to here {self._parameters} parameters are more than {MAX_PARAMETERS}")
