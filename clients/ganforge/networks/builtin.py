"""The networks a fresh repository holds."""

from ganforge.networks.definition import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LeakyReLU,
    Linear,
    Module,
    NetworkDefinition,
    ReLU,
    Sigmoid,
    Tanh,
    Unflatten,
)


def _perceptrons(
    prefix: str, latents: int, hidden: int, side: int
) -> tuple[NetworkDefinition, NetworkDefinition]:
    """One hidden layer each, as DIANNE's GAN has them."""
    shape = (1, side, side)
    generator = NetworkDefinition(
        name=f"{prefix}Generator",
        description=f"multi-layer perceptron: {latents} latents to images of {side}x{side}",
        input=(latents,),
        modules=(
            Linear(out=hidden),
            ReLU(),
            Linear(out=side * side),
            Tanh(),
            Unflatten(shape=shape),
        ),
    )
    discriminator = NetworkDefinition(
        name=f"{prefix}Discriminator",
        description=f"multi-layer perceptron: tells real images of {side}x{side} from fake ones",
        input=shape,
        modules=(Flatten(), Linear(out=hidden), LeakyReLU(), Linear(out=1), Sigmoid()),
    )
    return generator, discriminator


def _dcgan(side: int, start: int) -> tuple[NetworkDefinition, NetworkDefinition]:
    """The canonical DCGAN (Radford et al. 2015), cut to small images.

    BatchNorm in the discriminator and weights from N(0, 0.02) are part of it: without them it
    collapses on most seeds.
    """
    generator = NetworkDefinition(
        name=f"DCGANGenerator{side}",
        description=f"DCGAN generator: 64 latents to images of {side}x{side}",
        input=(64,),
        init="dcgan",
        modules=(
            Unflatten(shape=(64, 1, 1)),
            ConvTranspose2d(out=128, kernel=start, bias=False),
            BatchNorm(),
            ReLU(),
            ConvTranspose2d(out=64, kernel=4, stride=2, padding=1, bias=False),
            BatchNorm(),
            ReLU(),
            ConvTranspose2d(out=1, kernel=4, stride=2, padding=1),
            Tanh(),
        ),
    )
    judge: tuple[Module, ...] = (
        Conv2d(out=64, kernel=4, stride=2, padding=1),
        LeakyReLU(),
        Conv2d(out=128, kernel=4, stride=2, padding=1, bias=False),
        BatchNorm(),
        LeakyReLU(),
        Conv2d(out=1, kernel=start),
        Flatten(),
        Sigmoid(),
    )
    discriminator = NetworkDefinition(
        name=f"DCGANDiscriminator{side}",
        description=f"DCGAN discriminator: tells real images of {side}x{side} from fake ones",
        input=(1, side, side),
        init="dcgan",
        modules=judge,
    )
    return generator, discriminator


BUILTIN: tuple[NetworkDefinition, ...] = (
    *_perceptrons("", latents=10, hidden=128, side=28),
    *_perceptrons("Digits", latents=10, hidden=256, side=8),
    *_dcgan(28, start=7),
    *_dcgan(32, start=8),
)
"""The seed's perceptrons for MNIST, a pair for ``digits``, and larger convolutional pairs."""
