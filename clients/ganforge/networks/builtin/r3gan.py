"""R3GAN's networks (Huang et al. 2024, section 3), narrow ones.

Residual blocks without normalisation, grouped convolutions between two of 1x1, bilinear
resampling, the same stages on both sides, weights scaled as the init ``r3gan`` has it.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ganforge.networks.definition import (
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LeakyReLU,
    Linear,
    Module,
    NetworkDefinition,
    Residual,
    Unflatten,
    Upsample,
)

LATENTS = 64
BLOCKS = 2
"""Residual blocks of a stage."""

EXPANSION = 2
GROUP = 16
"""Channels of a group of the grouped convolutions, as in the paper's networks."""


def r3gan(
    suffix: str, *, channels: int, start: int, widths: Sequence[int]
) -> tuple[NetworkDefinition, ...]:
    """Give a generator and its critic.

    Args:
        suffix: ends their names.
        channels: of the images.
        start: height and width of the first stage; each further stage has twice as much.
        widths: channels of the generator's stages; the critic's are the same, backwards.
    """
    side = start * 2 ** (len(widths) - 1)
    what = f"{'colour' if channels == 3 else 'grey'} images of {side}x{side}"
    generator = NetworkDefinition(
        name=f"R3GANGenerator{suffix}",
        description=f"R3GAN generator: {LATENTS} latents to {what}",
        input=(LATENTS,),
        init="r3gan",
        modules=tuple(_make(channels, start, widths)),
    )
    critic = NetworkDefinition(
        name=f"R3GANCritic{suffix}",
        description=f"R3GAN discriminator: gives a logit for {what}",
        input=(channels, side, side),
        init="r3gan",
        modules=tuple(_judge(start, widths)),
    )
    return generator, critic


def _make(channels: int, start: int, widths: Sequence[int]) -> Iterator[Module]:
    """Give the generator's modules: a basis of learnt patterns, then the stages."""
    width = widths[0]
    yield Linear(out=width, bias=False)
    yield Unflatten(shape=(width, 1, 1))
    yield ConvTranspose2d(out=width, kernel=start, groups=width, bias=False)
    yield from _blocks(width)
    for before, width in pairwise(widths):
        if width != before:
            yield Conv2d(out=width, kernel=1, bias=False)
        yield Upsample(mode="bilinear")
        yield from _blocks(width)
    yield Conv2d(out=channels, kernel=1, bias=False)


def _judge(start: int, widths: Sequence[int]) -> Iterator[Module]:
    """Give the critic's modules: the stages, then a basis of learnt patterns."""
    width, *others = reversed(widths)
    yield Conv2d(out=width, kernel=1, bias=False)
    yield from _blocks(width)
    for after in others:
        yield AvgPool2d()  # the same as bilinear at half the size
        if after != width:
            yield Conv2d(out=after, kernel=1, bias=False)
        width = after
        yield from _blocks(width)
    yield Conv2d(out=width, kernel=start, groups=width, bias=False)
    yield Flatten()
    yield Linear(out=1, bias=False)


def _blocks(width: int) -> Iterator[Module]:
    """Give a stage's residual blocks."""
    wide = EXPANSION * width
    for _ in range(BLOCKS):
        yield Residual(
            body=(
                Conv2d(out=wide, kernel=1),
                LeakyReLU(),
                Conv2d(out=wide, kernel=3, padding=1, groups=wide // GROUP),
                LeakyReLU(),
                Conv2d(out=width, kernel=1, bias=False),
            )
        )
