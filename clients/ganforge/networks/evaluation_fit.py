"""Whether a generator's samples can be compared with a dataset's; pure."""

from ganforge.errors import NetworkMisfit
from ganforge.networks.definition import NetworkDefinition
from ganforge.networks.inference import infer


def check_evaluation_fit(
    generator: NetworkDefinition, *, sample_shape: tuple[int, ...], classes: int | None
) -> None:
    """Check that a network makes, of latents, samples like a dataset's.

    Args:
        generator: the network.
        sample_shape: the shape of the dataset's samples.
        classes: how many classes those have; None when they have none.

    Raises:
        NetworkMisfit: it does not; the words say what to change.
    """
    if len(generator.input) != 1:
        raise NetworkMisfit(
            f"{generator.name} takes {_say(generator.input)}, not latents, so it is no generator: "
            "name a generator"
        )
    made = infer(generator).output
    if made != sample_shape:
        raise NetworkMisfit(
            f"{generator.name} makes samples of {_say(made)} but the dataset's are "
            f"{_say(sample_shape)}: take a generator of that shape, or another dataset"
        )
    if generator.classes and not 1 <= (classes or 0) <= generator.classes:
        raise NetworkMisfit(
            f"{generator.name} takes {generator.classes} classes but the dataset has "
            f"{classes or 'none'}: take another generator or dataset"
        )


def _say(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
