"""Whether a generator, a discriminator, a config and a dataset fit each other; pure."""

from ganforge.errors import NetworkMisfit
from ganforge.networks.definition import (
    Flatten,
    Module,
    NetworkDefinition,
    Sigmoid,
    Unflatten,
)
from ganforge.networks.inference import infer
from ganforge.wire.strategies import AdversarialConfig, Ending


def check_gan_fit(
    generator: NetworkDefinition,
    discriminator: NetworkDefinition,
    config: AdversarialConfig,
    *,
    sample_shape: tuple[int, ...],
    classes: int | None,
) -> None:
    """Check what training a generator against a discriminator asks of both.

    Args:
        generator: makes a sample from ``generatorDim`` latents.
        discriminator: gives one number for a sample, of the kind the strategy's loss takes.
        config: the strategy's keys.
        sample_shape: the shape of the dataset's samples.
        classes: how many classes the dataset has; None when it has none.

    Raises:
        NetworkMisfit: something does not fit; the words say what to change.
    """
    wanted = _say(sample_shape)
    if len(generator.input) != 1:
        raise NetworkMisfit(
            f"{generator.name} takes {_say(generator.input)}, not latents, so it is no generator: "
            "name the generator first, then the discriminator"
        )
    if generator.input != (config.generator_dim,):
        raise NetworkMisfit(
            f"{generator.name} takes {_say(generator.input)} latents but generatorDim is "
            f"{config.generator_dim}: set generatorDim={_say(generator.input)}, "
            "or take another generator"
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
    _check_classes(generator, classes, conditional=config.conditional)
    _check_classes(discriminator, classes, conditional=config.conditional)
    _check_ending(discriminator, config.ending)
    types = {step.type for step in infer(discriminator).steps}
    if config.penalises_gradients and types & _BATCH_NORMS:
        raise NetworkMisfit(
            f"{discriminator.name} has BatchNorm, which the gradient penalty cannot see through: "
            "take a discriminator without, or with LayerNorm"
        )


_BATCH_NORMS = {"BatchNorm", "ConditionalBatchNorm"}


def _check_classes(network: NetworkDefinition, classes: int | None, *, conditional: bool) -> None:
    if network.classes and not conditional:
        raise NetworkMisfit(f"{network.name} takes classes: set conditional=true")
    if not conditional:
        return
    if not classes:
        raise NetworkMisfit("conditional: the dataset has no classes; leave it out")
    if not network.classes:
        raise NetworkMisfit(
            f"{network.name} takes no classes: take a conditional network, or leave conditional out"
        )
    if network.classes < classes:
        raise NetworkMisfit(
            f"{network.name} knows {network.classes} classes but the dataset has {classes}: "
            "take a network of that many classes"
        )


def _check_ending(discriminator: NetworkDefinition, ending: Ending) -> None:
    judged, last = infer(discriminator).output, _last_module(discriminator)
    is_sigmoid = isinstance(last, Sigmoid)
    right = {Ending.PROBABILITY: is_sigmoid, Ending.SCORE: not is_sigmoid, Ending.EITHER: True}
    if judged != (1,) or not right[ending]:
        raise NetworkMisfit(
            f"{discriminator.name} gives {_say(judged)} numbers a sample from {last.type}: "
            f"the loss takes one {ending.in_words}; take another discriminator or strategy"
        )


def _last_module(network: NetworkDefinition) -> Module:
    """Find what a network ends in, past modules that only give another shape."""
    modules = [m for m in network.modules if not isinstance(m, Flatten | Unflatten)]
    return modules[-1] if modules else network.modules[-1]


def _say(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
