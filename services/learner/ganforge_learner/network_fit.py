"""Whether networks fit each other and a job: told in words, by passing two samples through."""

from collections.abc import Iterable
from inspect import Parameter, signature

import torch
from torch import Tensor, nn

from ganforge.errors import NetworkMisfit
from ganforge.wire.strategies import Ending
from ganforge_learner.strategy import in_use

_NO_PROBABILITY = (nn.Linear, nn.Conv2d, nn.Tanh, nn.ReLU, nn.LeakyReLU)


@torch.no_grad()
def try_generator(
    generator: nn.Module,
    latents_NZ: Tensor,
    classes_N: Tensor | None,
    *,
    sample_shape: tuple[int, ...],
) -> Tensor:
    """Make samples, and see that they are of the dataset's shape.

    Raises:
        NetworkMisfit: the generator does not take the latents, or makes something else.
    """
    dim = latents_NZ.shape[1]
    try:
        with in_use(generator):
            made: Tensor = _passed(generator, latents_NZ, classes_N)
    except IndexError as error:
        raise _too_few_classes("generator", classes_N) from error
    except (RuntimeError, ValueError) as error:
        raise NetworkMisfit(
            f"the generator does not take {dim} latents, as generatorDim says: {error}"
        ) from error
    if tuple(made.shape[1:]) != sample_shape:
        raise NetworkMisfit(
            f"the generator makes samples of {_say(made.shape[1:])} but the dataset's are "
            f"{_say(sample_shape)}: take a generator of that shape, or another dataset"
        )
    return made


@torch.no_grad()
def try_discriminator(
    discriminator: nn.Module, samples: Tensor, classes_N: Tensor | None, *, ending: Ending
) -> None:
    """Judge samples, and see that it gives one number for each, of the kind the loss takes.

    Raises:
        NetworkMisfit: the discriminator does not take the samples, or gives something else.
    """
    try:
        with in_use(discriminator):
            judged: Tensor = _passed(discriminator, samples, classes_N)
    except IndexError as error:
        raise _too_few_classes("discriminator", classes_N) from error
    except (RuntimeError, ValueError) as error:
        raise NetworkMisfit(
            f"the discriminator does not take samples of {_say(samples.shape[1:])}: {error}"
        ) from error
    if len(judged) != len(samples) or judged.numel() != len(samples):
        raise NetworkMisfit(
            f"the discriminator gives {_say(judged.shape[1:])} numbers a sample: "
            f"it must give one {ending.in_words}"
        )
    last = last_module(discriminator)
    if not _ends_as(last, judged, ending):
        raise NetworkMisfit(
            f"the discriminator ends in {type(last).__name__}: it must give one {ending.in_words}"
        )


def check_takes_classes(name: str, network: nn.Module, *, conditional: bool) -> None:
    """See that a network takes classes beside samples if it is to be given them, and only then.

    Raises:
        NetworkMisfit: it does not.
    """
    if takes_classes(network) and not conditional:
        raise NetworkMisfit(f"the {name} takes classes: set conditional=true")
    if conditional and not takes_classes(network):
        raise NetworkMisfit(
            f"the {name} takes no classes: take a conditional one, or leave conditional out"
        )


def takes_classes(network: nn.Module) -> bool:
    """Tell whether a network's ``forward`` must be given something beside samples."""
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    asked = [
        parameter
        for parameter in signature(network.forward).parameters.values()
        if parameter.kind in kinds and parameter.default is Parameter.empty
    ]
    return len(asked) > 1


def _passed(network: nn.Module, samples: Tensor, classes_N: Tensor | None) -> Tensor:
    passed: Tensor = network(samples) if classes_N is None else network(samples, classes_N)
    return passed


def _too_few_classes(name: str, classes_N: Tensor | None) -> NetworkMisfit:
    count = 0 if classes_N is None else len(classes_N)
    return NetworkMisfit(
        f"the {name} knows fewer classes than the dataset's {count}: "
        "take a network of that many classes"
    )


def _ends_as(last: nn.Module, judged: Tensor, ending: Ending) -> bool:
    """Tell whether what a discriminator says can be taken as ``ending``."""
    match ending:
        case Ending.PROBABILITY:
            inside = not bool(((judged < 0) | (judged > 1)).any())
            return inside and not isinstance(last, _NO_PROBABILITY)
        case Ending.SCORE:
            return not isinstance(last, nn.Sigmoid)
        case Ending.EITHER:
            return True


def check_penalty(discriminator: nn.Module) -> None:
    """See that each sample's gradient is its own.

    Raises:
        NetworkMisfit: BatchNorm lets every sample of a minibatch have a say in every judgement.
    """
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in discriminator.modules()):
        raise NetworkMisfit(
            "the discriminator has BatchNorm, which the gradient penalty cannot see through: "
            "take one without, or with LayerNorm"
        )


def check_batch_size(batch_size: int, networks: Iterable[nn.Module]) -> None:
    """See that a minibatch can be normalised.

    Raises:
        NetworkMisfit: it cannot.
    """
    modules = (module for network in networks for module in network.modules())
    if batch_size == 1 and any(isinstance(module, nn.BatchNorm1d) for module in modules):
        raise NetworkMisfit(
            "BatchNorm has nothing to normalise over in a batch of one: set batchSize=2 or more"
        )


def last_module(network: nn.Module) -> nn.Module:
    """Find what a network ends in, past modules that only give another shape."""
    while isinstance(network, nn.Sequential) and len(network):
        modules = [m for m in network if not isinstance(m, nn.Flatten | nn.Unflatten | nn.Identity)]
        network = modules[-1] if modules else network[-1]
    return network


def _say(shape: tuple[int, ...] | torch.Size) -> str:
    return "x".join(map(str, shape))
