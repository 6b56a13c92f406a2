"""Whether a generator, a discriminator, a config and a dataset fit each other; pure."""

from ganforge.errors import NetworkMisfit
from ganforge.networks.definition import NetworkDefinition, Sigmoid
from ganforge.networks.inference import infer


def check_gan_fit(
    generator: NetworkDefinition,
    discriminator: NetworkDefinition,
    *,
    generator_dim: int,
    sample_shape: tuple[int, ...],
) -> None:
    """Check what binary cross-entropy training asks of two networks.

    Args:
        generator: makes a sample from ``generator_dim`` latents.
        discriminator: gives one probability for a sample.
        generator_dim: how many latents a sample has.
        sample_shape: the shape of the dataset's samples.

    Raises:
        NetworkMisfit: something does not fit; the words say what to change.
    """
    wanted = _say(sample_shape)
    if len(generator.input) != 1:
        raise NetworkMisfit(
            f"{generator.name} takes {_say(generator.input)}, not latents, so it is no generator: "
            "name the generator first, then the discriminator"
        )
    if generator.input != (generator_dim,):
        raise NetworkMisfit(
            f"{generator.name} takes {_say(generator.input)} latents but generatorDim is "
            f"{generator_dim}: set generatorDim={_say(generator.input)}, or take another generator"
        )
    made = infer(generator).output
    if made != sample_shape:
        raise NetworkMisfit(
            f"{generator.name} makes samples of {_say(made)} but the dataset's are {wanted}: "
            "take a generator of that shape, or another dataset"
        )
    if discriminator.input != sample_shape:
        raise NetworkMisfit(
            f"{discriminator.name} takes samples of {_say(discriminator.input)} but the "
            f"dataset's are {wanted}: take a discriminator of that shape, or another dataset"
        )
    judged = infer(discriminator).output
    if judged != (1,) or not isinstance(discriminator.modules[-1], Sigmoid):
        raise NetworkMisfit(
            f"{discriminator.name} gives {_say(judged)} numbers a sample from "
            f"{discriminator.modules[-1].type}: it must give one, from a Sigmoid, "
            "since the loss takes a probability"
        )


def _say(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
