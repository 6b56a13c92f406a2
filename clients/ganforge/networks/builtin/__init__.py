"""The networks a fresh repository holds."""

from ganforge.networks.builtin.dcgan import dcgan
from ganforge.networks.builtin.perceptrons import perceptrons
from ganforge.networks.builtin.r3gan import r3gan
from ganforge.networks.definition import NetworkDefinition

__all__ = ["BUILTIN"]

BUILTIN: tuple[NetworkDefinition, ...] = (
    *perceptrons("", latents=10, hidden=128, side=28),
    *perceptrons("Digits", latents=10, hidden=256, side=8),
    *perceptrons("ConditionalDigits", latents=10, hidden=256, side=8, classes=10),
    *dcgan("28", channels=1, start=7, widths=(128, 64)),
    *dcgan("28Small", channels=1, start=7, widths=(64, 16))[:2],
    *dcgan("32", channels=1, start=8, widths=(128, 64)),
    *dcgan("32RGB", channels=3, start=4, widths=(256, 128, 64)),
    *dcgan("64RGB", channels=3, start=4, widths=(512, 256, 128, 64)),
    *dcgan("28", channels=1, start=7, widths=(128, 64), classes=10),
    *dcgan("28Small", channels=1, start=7, widths=(64, 16), classes=10)[:2],
    *dcgan("32RGB", channels=3, start=4, widths=(256, 128, 64), classes=10),
    *r3gan("28", channels=1, start=7, widths=(96, 64, 32)),
    *r3gan("32RGB", channels=3, start=4, widths=(192, 128, 96, 64)),
    *r3gan("64RGB", channels=3, start=4, widths=(256, 192, 128, 96, 64)),
)
"""The seed's perceptrons for MNIST, a pair for ``digits``, and larger convolutional networks.

A ...Discriminator ends in a Sigmoid, so it gives a probability; a ...Critic gives a logit.
"""
