"""The declarative JSON of a network: an ordered list of modules, no code."""

from typing import Annotated, Literal

from pydantic import Field

from ganforge.wire.jobs import Name
from ganforge.wire.model import WireModel

Size = Annotated[int, Field(ge=1, le=1 << 20)]
"""Features, channels, height or width."""

Shape = Annotated[tuple[Size, ...], Field(min_length=1, max_length=3)]
"""One sample's shape, without the batch: (features), or (channels, height, width)."""


class Linear(WireModel):
    """A weighted sum of all features; takes shape (features)."""

    type: Literal["Linear"] = "Linear"
    out: Size = Field(description="features it gives")
    bias: bool = True


class _Convolution(WireModel):
    out: Size = Field(description="channels it gives")
    kernel: int = Field(ge=1, le=64, description="height and width of the kernel")
    stride: int = Field(1, ge=1, le=64)
    padding: int = Field(0, ge=0, le=64)
    bias: bool = True


class Conv2d(_Convolution):
    """A convolution; takes shape (channels, height, width)."""

    type: Literal["Conv2d"] = "Conv2d"


class ConvTranspose2d(_Convolution):
    """A transposed convolution; takes shape (channels, height, width)."""

    type: Literal["ConvTranspose2d"] = "ConvTranspose2d"


class BatchNorm(WireModel):
    """Batch normalisation over features or channels (Ioffe and Szegedy 2015)."""

    type: Literal["BatchNorm"] = "BatchNorm"


class ReLU(WireModel):
    """max(0, x)."""

    type: Literal["ReLU"] = "ReLU"


class LeakyReLU(WireModel):
    """x where x > 0, slope * x elsewhere."""

    type: Literal["LeakyReLU"] = "LeakyReLU"
    slope: float = Field(0.2, ge=0, le=1)


class Sigmoid(WireModel):
    """1 / (1 + exp(-x)): gives (0, 1)."""

    type: Literal["Sigmoid"] = "Sigmoid"


class Tanh(WireModel):
    """tanh(x): gives (-1, 1)."""

    type: Literal["Tanh"] = "Tanh"


class Dropout(WireModel):
    """Sets each number to 0 with probability p while training."""

    type: Literal["Dropout"] = "Dropout"
    p: float = Field(0.5, ge=0, lt=1)


class Flatten(WireModel):
    """Any shape to (features)."""

    type: Literal["Flatten"] = "Flatten"


class Unflatten(WireModel):
    """(features) to ``shape``."""

    type: Literal["Unflatten"] = "Unflatten"
    shape: Shape


Module = Annotated[
    Linear
    | Conv2d
    | ConvTranspose2d
    | BatchNorm
    | ReLU
    | LeakyReLU
    | Sigmoid
    | Tanh
    | Dropout
    | Flatten
    | Unflatten,
    Field(discriminator="type"),
]
"""One step of a network."""


class NetworkDefinition(WireModel):
    """A network: what it takes, and the modules it passes that through, one after the other."""

    name: Name
    description: str = Field("", max_length=1000)
    input: Shape = Field(description="one sample's shape, without the batch")
    modules: tuple[Module, ...] = Field(min_length=1, max_length=1000)
    init: Literal["default", "dcgan"] = Field(
        "default",
        description="default: as torch does; dcgan: weights from N(0, 0.02), BatchNorm from "
        "N(1, 0.02), biases 0 (Radford et al. 2015, section 4)",
    )
