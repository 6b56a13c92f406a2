"""Multi-layer perceptrons of one hidden layer, as DIANNE's GAN has them."""

from ganforge.networks.definition import (
    EmbedClass,
    Flatten,
    LeakyReLU,
    Linear,
    Module,
    NetworkDefinition,
    Projection,
    ReLU,
    Sigmoid,
    Tanh,
    Unflatten,
)


def perceptrons(
    prefix: str, *, latents: int, hidden: int, side: int, classes: int = 0
) -> tuple[NetworkDefinition, ...]:
    """Give a generator of grey images, and a discriminator and a critic for it.

    Args:
        prefix: begins their names.
        latents: how many the generator takes.
        hidden: features of the hidden layer.
        side: the images' height and width.
        classes: how many classes the networks are told; 0: they are told none.
    """
    shape = (1, side, side)
    what = f"of {side}x{side}" + (f" in {classes} classes" if classes else "")
    body: tuple[Module, ...] = (Flatten(), Linear(out=hidden), LeakyReLU())
    judge: Module = Projection() if classes else Linear(out=1)
    embed: tuple[Module, ...] = (EmbedClass(features=classes),) if classes else ()
    generator = NetworkDefinition(
        name=f"{prefix}Generator",
        description=f"multi-layer perceptron: {latents} latents to images {what}",
        input=(latents,),
        classes=classes,
        modules=(
            *embed,
            Linear(out=hidden),
            ReLU(),
            Linear(out=side * side),
            Tanh(),
            Unflatten(shape=shape),
        ),
    )
    discriminator = NetworkDefinition(
        name=f"{prefix}Discriminator",
        description=f"multi-layer perceptron: tells real images {what} from fake ones",
        input=shape,
        classes=classes,
        modules=(*body, judge, Sigmoid()),
    )
    critic = NetworkDefinition(
        name=f"{prefix}Critic",
        description=f"multi-layer perceptron: gives images {what} a number, as logits",
        input=shape,
        classes=classes,
        modules=(*body, judge),
    )
    return generator, discriminator, critic
