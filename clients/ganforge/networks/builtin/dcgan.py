"""The canonical DCGAN (Radford et al. 2015), cut to small images, and what grew from it.

BatchNorm in the discriminator and weights from N(0, 0.02) are part of it: without them it
collapses on most seeds. A gradient penalty asks each sample for its own gradient, which BatchNorm
mixes: so the critics have layer normalisation (Gulrajani et al. 2017, section 4), or spectral norm
and nothing else (Miyato et al. 2018).
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from ganforge.networks.definition import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    EmbedClass,
    Flatten,
    GroupNorm,
    LeakyReLU,
    Module,
    NetworkDefinition,
    Projection,
    ReLU,
    Sigmoid,
    Tanh,
    Unflatten,
)

LATENTS = 64
Norm = Literal["batch", "layer", "spectral"]


def dcgan(
    suffix: str, *, channels: int, start: int, widths: Sequence[int], classes: int = 0
) -> tuple[NetworkDefinition, ...]:
    """Give a generator, its discriminator, and critics.

    Args:
        suffix: ends their names.
        channels: of the images.
        start: height and width that the generator begins with; each width but the first doubles
            them, and the last step to the images does.
        widths: channels of the generator's steps; the discriminator's are the same, backwards.
        classes: how many classes the networks are told; 0: they are told none.
    """
    side = start * 2 ** len(widths)
    image = (channels, side, side)
    prefix = "ConditionalDCGAN" if classes else "DCGAN"
    what = f"{'colour' if channels == 3 else 'grey'} images of {side}x{side}"
    if classes:
        what += f" in {classes} classes"

    def judging(name: str, description: str, norm: Norm, *last: Module) -> NetworkDefinition:
        return NetworkDefinition(
            name=f"{prefix}{name}{suffix}",
            description=f"DCGAN {description} {what}",
            input=image,
            classes=classes,
            init="dcgan",
            modules=(*_judge(start, widths, norm, classes), *last),
        )

    generator = NetworkDefinition(
        name=f"{prefix}Generator{suffix}",
        description=f"DCGAN generator: {LATENTS} latents to {what}",
        input=(LATENTS,),
        classes=classes,
        init="dcgan",
        modules=tuple(_make(channels, start, widths, classes)),
    )
    return (
        generator,
        judging("Discriminator", "discriminator: tells real from fake", "batch", Sigmoid()),
        judging("Critic", "critic: layer normalisation, logits; for", "layer"),
        judging("SpectralCritic", "critic: spectral norm, logits; for", "spectral"),
    )


def _make(channels: int, start: int, widths: Sequence[int], classes: int) -> Iterator[Module]:
    """Give the generator's modules."""
    if classes:
        yield EmbedClass(features=classes)
    yield Unflatten(shape=(LATENTS + classes, 1, 1))
    yield ConvTranspose2d(out=widths[0], kernel=start, bias=False)
    for width in widths[1:]:
        yield BatchNorm()
        yield ReLU()
        yield ConvTranspose2d(out=width, kernel=4, stride=2, padding=1, bias=False)
    yield BatchNorm()
    yield ReLU()
    yield ConvTranspose2d(out=channels, kernel=4, stride=2, padding=1)
    yield Tanh()


def _judge(start: int, widths: Sequence[int], norm: Norm, classes: int) -> Iterator[Module]:
    """Give the modules of a discriminator, up to its logit."""
    spectral = norm == "spectral"
    first, *others = reversed(widths)
    yield Conv2d(out=first, kernel=4, stride=2, padding=1, spectral_norm=spectral)
    yield LeakyReLU()
    for width in others:
        yield Conv2d(
            out=width, kernel=4, stride=2, padding=1, bias=spectral, spectral_norm=spectral
        )
        if norm == "batch":
            yield BatchNorm()
        if norm == "layer":
            yield GroupNorm(groups=1)
        yield LeakyReLU()
    if classes:
        yield Flatten()
        yield Projection(spectral_norm=spectral)
    else:
        yield Conv2d(out=1, kernel=start, spectral_norm=spectral)
        yield Flatten()
