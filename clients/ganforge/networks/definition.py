"""The declarative JSON of a network: modules one after the other, some made of modules; no code."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, field_validator

from ganforge.wire.jobs import Name
from ganforge.wire.model import WireModel

MAX_MODULES = 1000
"""Modules of a network, those within others included."""

MAX_DEPTH = 8
"""Modules within modules."""

Size = Annotated[StrictInt, Field(ge=1, le=1 << 20)]
"""Features, channels, height or width."""

Shape = Annotated[tuple[Size, ...], Field(min_length=1, max_length=3)]
"""One sample's shape, without the batch: (features), or (channels, height, width)."""

Kernel = Annotated[StrictInt, Field(ge=1, le=64, description="height and width of the kernel")]
Stride = Annotated[StrictInt, Field(ge=1, le=64)]
Padding = Annotated[StrictInt, Field(ge=0, le=64)]
Factor = Annotated[StrictInt, Field(ge=2, le=64, description="times as high and as wide")]


class _Weighted(WireModel):
    out: Size = Field(description="features or channels it gives")
    bias: StrictBool = True
    spectral_norm: StrictBool = Field(
        False,
        description="divide the weights by their largest singular value, followed by one step of "
        "the power method at each pass in training (Miyato et al. 2018)",
    )


class Linear(_Weighted):
    """A weighted sum of all features; takes shape (features)."""

    type: Literal["Linear"] = "Linear"


class _Convolution(_Weighted):
    kernel: Kernel
    stride: Stride = 1
    padding: Padding = 0
    groups: Size = Field(1, description="parts that the channels before and after fall into")


class Conv2d(_Convolution):
    """A convolution; takes shape (channels, height, width)."""

    type: Literal["Conv2d"] = "Conv2d"


class ConvTranspose2d(_Convolution):
    """A transposed convolution; takes shape (channels, height, width)."""

    type: Literal["ConvTranspose2d"] = "ConvTranspose2d"
    output_padding: StrictInt = Field(
        0, ge=0, lt=64, description="rows and columns added behind; less than the stride"
    )


class Upsample(WireModel):
    """A larger image; takes shape (channels, height, width)."""

    type: Literal["Upsample"] = "Upsample"
    factor: Factor = 2
    mode: Literal["nearest", "bilinear"] = "nearest"


class PixelShuffle(WireModel):
    """A larger image of fewer channels: each block of factor^2 channels becomes one.

    Shi et al. 2016, section 3.2; takes shape (channels, height, width).
    """

    type: Literal["PixelShuffle"] = "PixelShuffle"
    factor: Factor = 2


class _Pooling(WireModel):
    kernel: Kernel = 2
    stride: Stride | None = Field(None, description="as the kernel when not given")
    padding: Padding = Field(0, description="half the kernel at most")


class AvgPool2d(_Pooling):
    """The mean under a kernel; takes shape (channels, height, width)."""

    type: Literal["AvgPool2d"] = "AvgPool2d"


class MaxPool2d(_Pooling):
    """The greatest number under a kernel; takes shape (channels, height, width)."""

    type: Literal["MaxPool2d"] = "MaxPool2d"


class GlobalAvgPool(WireModel):
    """The mean of each channel: (channels, height, width) to (channels)."""

    type: Literal["GlobalAvgPool"] = "GlobalAvgPool"


class BatchNorm(WireModel):
    """Batch normalisation over features or channels (Ioffe and Szegedy 2015)."""

    type: Literal["BatchNorm"] = "BatchNorm"


class LayerNorm(WireModel):
    """Normalisation of all of a sample's numbers, a weight for each (Ba et al. 2016)."""

    type: Literal["LayerNorm"] = "LayerNorm"


class GroupNorm(WireModel):
    """Normalisation of each group of a sample's channels, a weight a channel (Wu and He 2018)."""

    type: Literal["GroupNorm"] = "GroupNorm"
    groups: Size = 1


class InstanceNorm(WireModel):
    """Normalisation of each of a sample's channels, a weight a channel (Ulyanov et al. 2016)."""

    type: Literal["InstanceNorm"] = "InstanceNorm"


class PixelNorm(WireModel):
    """Each place's numbers over the root of their mean square (Karras et al. 2018, section 4.2)."""

    type: Literal["PixelNorm"] = "PixelNorm"


class MinibatchStd(WireModel):
    """One more feature or channel that tells how much the minibatch varies.

    Karras et al. 2018, section 3.
    """

    type: Literal["MinibatchStd"] = "MinibatchStd"


class ReLU(WireModel):
    """max(0, x)."""

    type: Literal["ReLU"] = "ReLU"


class LeakyReLU(WireModel):
    """x where x > 0, slope * x elsewhere."""

    type: Literal["LeakyReLU"] = "LeakyReLU"
    slope: StrictFloat = Field(0.2, ge=0, le=1)


class ELU(WireModel):
    """x where x > 0, exp(x) - 1 elsewhere (Clevert et al. 2016)."""

    type: Literal["ELU"] = "ELU"


class SiLU(WireModel):
    """x / (1 + exp(-x)), also called swish."""

    type: Literal["SiLU"] = "SiLU"


class GELU(WireModel):
    """x times the normal distribution function of x (Hendrycks and Gimpel 2016)."""

    type: Literal["GELU"] = "GELU"


class Softplus(WireModel):
    """log(1 + exp(x)): a smooth ReLU."""

    type: Literal["Softplus"] = "Softplus"


class Sigmoid(WireModel):
    """1 / (1 + exp(-x)): gives (0, 1)."""

    type: Literal["Sigmoid"] = "Sigmoid"


class Tanh(WireModel):
    """tanh(x): gives (-1, 1)."""

    type: Literal["Tanh"] = "Tanh"


class Dropout(WireModel):
    """Sets each number to 0 with probability p while training."""

    type: Literal["Dropout"] = "Dropout"
    p: StrictFloat = Field(0.5, ge=0, lt=1)


class Flatten(WireModel):
    """Any shape to (features)."""

    type: Literal["Flatten"] = "Flatten"


class Unflatten(WireModel):
    """(features) to ``shape``."""

    type: Literal["Unflatten"] = "Unflatten"
    shape: Shape


class EmbedClass(WireModel):
    """Learnt numbers for the sample's class, behind its features or as constant channels."""

    type: Literal["EmbedClass"] = "EmbedClass"
    features: Size = Field(description="numbers for each class")


class ConditionalBatchNorm(WireModel):
    """Batch normalisation with weights for each class (Dumoulin et al. 2017)."""

    type: Literal["ConditionalBatchNorm"] = "ConditionalBatchNorm"


class Projection(WireModel):
    """One number of features phi and class y: linear(phi) + <embedding(y), phi>.

    Miyato and Koyama 2018, equation 3; takes shape (features).
    """

    type: Literal["Projection"] = "Projection"
    spectral_norm: StrictBool = Field(False, description="of both weights; see Linear")


class Residual(WireModel):
    """What the body gives, times ``scale``, plus what the shortcut gives (He et al. 2016)."""

    type: Literal["Residual"] = "Residual"
    body: tuple["Module", ...] = Field(min_length=1)
    shortcut: tuple["Module", ...] = Field((), description="none: the sample as it came")
    scale: StrictFloat = Field(1.0, ge=-1000, le=1000)


class Concat(WireModel):
    """What each branch gives of the same sample, one behind the other by features or channels."""

    type: Literal["Concat"] = "Concat"
    branches: tuple[tuple["Module", ...], ...] = Field(
        min_length=1, description="one of no modules: the sample as it came"
    )


ClassModule = EmbedClass | ConditionalBatchNorm | Projection
"""The modules that look at a sample's class."""

Module = Annotated[
    Linear
    | Conv2d
    | ConvTranspose2d
    | Upsample
    | PixelShuffle
    | AvgPool2d
    | MaxPool2d
    | GlobalAvgPool
    | BatchNorm
    | LayerNorm
    | GroupNorm
    | InstanceNorm
    | PixelNorm
    | MinibatchStd
    | ReLU
    | LeakyReLU
    | ELU
    | SiLU
    | GELU
    | Softplus
    | Sigmoid
    | Tanh
    | Dropout
    | Flatten
    | Unflatten
    | ClassModule
    | Residual
    | Concat,
    Field(discriminator="type"),
]
"""One step of a network."""


class NetworkDefinition(WireModel):
    """A network: what it takes, and the modules it passes that through, one after the other."""

    name: Name
    description: str = Field("", max_length=1000)
    input: Shape = Field(description="one sample's shape, without the batch")
    classes: StrictInt = Field(
        0,
        ge=0,
        le=1 << 20,
        description="how many classes it tells apart, given beside each sample; 0: takes none",
    )
    modules: tuple[Module, ...] = Field(min_length=1, max_length=MAX_MODULES)
    init: Literal["default", "dcgan", "r3gan", "orthogonal"] = Field(
        "default",
        description="default: as torch does; dcgan: weights from N(0, 0.02), BatchNorm from "
        "N(1, 0.02), biases 0 (Radford et al. 2015, section 4); r3gan: weights from "
        "N(0, gain^2 / inputs), the last of each Residual's body 0 (Huang et al. 2024, after "
        "Zhang et al. 2019); orthogonal: orthogonal weights, biases 0 (Saxe et al. 2014)",
    )

    @field_validator("modules", mode="before")
    @classmethod
    def _refuse_sprawl(cls, told: Any) -> Any:
        """Refuse too many or too deep modules before anything is made of them."""
        waiting = [("", 1, told)]
        count = 0
        while waiting:
            within, depth, modules = waiting.pop()
            if not isinstance(modules, list | tuple):
                continue  # refused when the fields are checked
            count += max(1, len(modules))
            if count > MAX_MODULES:
                raise ValueError(f"there are more than {MAX_MODULES} modules in all")
            if depth > MAX_DEPTH:
                raise ValueError(f"module {within}0 is within more than {MAX_DEPTH - 1} others")
            for position, module in enumerate(modules):
                for name, inner in _lists_within(module):
                    waiting.append((f"{within}{position}.{name}.", depth + 1, inner))
        return told


def _lists_within(module: Any) -> Iterator[tuple[str, Any]]:
    """Find the lists of modules within one, whether it is checked yet or not."""
    told = module if isinstance(module, dict) else getattr(module, "__dict__", {})
    for name in ("body", "shortcut"):
        if name in told:
            yield name, told[name]
    branches = told.get("branches")
    if isinstance(branches, list | tuple):
        for position, branch in enumerate(branches):
            yield f"branches.{position}", branch


Residual.model_rebuild()
Concat.model_rebuild()
