"""The config keys of the built-in learning strategies, each with its bounds and help."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from ganforge.wire.config import LearnConfig, Method


class Criterion(StrEnum):
    """What a loss makes of a discriminator's word and its target."""

    MSE = "MSE"
    ABS = "ABS"
    BCE = "BCE"
    BCE_LOGITS = "BCE_LOGITS"
    NLL = "NLL"
    HUB = "HUB"


class Precision(StrEnum):
    """What networks compute in; weights and losses stay float32."""

    FLOAT32 = "FLOAT32"
    BFLOAT16 = "BFLOAT16"
    AUTO = "AUTO"


class Ending(StrEnum):
    """What one number a discriminator gives."""

    PROBABILITY = "PROBABILITY"
    SCORE = "SCORE"
    EITHER = "EITHER"

    @property
    def in_words(self) -> str:
        """Say it after "it must give one"."""
        return _ENDINGS[self]


_ENDINGS = {
    Ending.PROBABILITY: "probability, from a Sigmoid",
    Ending.SCORE: "number of any size, without a Sigmoid",
    Ending.EITHER: "number",
}


class Augmentation(StrEnum):
    """A policy of DiffAugment (Zhao et al. 2020)."""

    COLOR = "COLOR"
    TRANSLATION = "TRANSLATION"
    CUTOUT = "CUTOUT"


class AdversarialConfig(LearnConfig):
    """The keys of every strategy that trains a generator against a discriminator."""

    generator_dim: int = Field(10, ge=1, le=65_536, description="how many latents a sample has")
    generator_learning_rate: float | None = Field(
        None, gt=0, description="the generator's own learningRate"
    )
    discriminator_learning_rate: float | None = Field(
        None, gt=0, description="the discriminator's own learningRate"
    )
    conditional: bool = Field(
        False, description="give both networks the samples' classes; they must take them"
    )
    ema: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="decay of the moving average of the generator's weights, kept as a network "
        "of its own; none when absent",
    )
    clip_gradient: float | None = Field(
        None, gt=0, description="largest norm of each network's gradient; more is scaled down"
    )
    augment: tuple[Augmentation, ...] = Field(
        (), max_length=3, description="DiffAugment's policies, on real and fake samples alike"
    )
    precision: Precision = Field(
        Precision.FLOAT32,
        description="what networks compute in; AUTO: bfloat16 where the device is fast at it",
    )

    @property
    def ending(self) -> Ending:
        """What the loss takes from the discriminator."""
        return Ending.SCORE

    @property
    def penalises_gradients(self) -> bool:
        """Whether the discriminator's slope at each sample is part of its loss."""
        return False


class GANConfig(AdversarialConfig):
    """The keys of GANLearningStrategy."""

    criterion: Criterion = Field(
        Criterion.BCE, description="what the loss makes of the discriminator's word"
    )
    target_real: float = Field(
        0.85, ge=0, le=1, description="what the discriminator is to say of real samples"
    )
    target_fake: float = Field(
        0.15, ge=0, le=1, description="what the discriminator is to say of fake samples"
    )

    @property
    def ending(self) -> Ending:
        """What the criterion takes from the discriminator."""
        match self.criterion:
            case Criterion.BCE | Criterion.NLL:
                return Ending.PROBABILITY
            case Criterion.BCE_LOGITS:
                return Ending.SCORE
            case _:
                return Ending.EITHER


class LSGANConfig(AdversarialConfig):
    """The keys of LSGANLearningStrategy."""

    target_real: float = Field(
        1.0, ge=-1, le=1, description="what the discriminator is to say of real samples"
    )
    target_fake: float = Field(
        0.0, ge=-1, le=1, description="what the discriminator is to say of fake samples"
    )


class HingeGANConfig(AdversarialConfig):
    """The keys of HingeGANLearningStrategy."""


class CriticConfig(AdversarialConfig):
    """The keys of the strategies that train the discriminator more often than the generator."""

    discriminator_iterations: int = Field(
        5,
        ge=1,
        le=1000,
        alias="Diterations",
        description="discriminator steps in an iteration",
    )
    initial_discriminator_iterations: int = Field(
        100,
        ge=1,
        le=10_000,
        alias="initDiterations",
        description="discriminator steps in each of the first initIterations iterations",
    )
    initial_iterations: int = Field(
        25,
        ge=0,
        lt=2**53,
        alias="initIterations",
        description="how many iterations count as the first",
    )


class WGANConfig(CriticConfig):
    """The keys of WGANLearningStrategy; the defaults are DIANNE's."""

    method: Method = Field(Method.RMSPROP, description="how gradients become steps")
    learning_rate: float | None = Field(1e-4, gt=0, description="step size")
    clamp: float = Field(
        0.01, gt=0, description="the discriminator's weights are kept within -clamp and clamp"
    )


class WGANGPConfig(CriticConfig):
    """The keys of WGANGPLearningStrategy; the defaults are the paper's (algorithm 1)."""

    method: Method = Field(Method.ADAM, description="how gradients become steps")
    learning_rate: float | None = Field(1e-4, gt=0, description="step size")
    beta1: float = Field(0.0, ge=0, lt=1, description="ADAM's decay of the first moment")
    beta2: float = Field(0.9, ge=0, lt=1, description="ADAM's decay of the second moment")
    initial_iterations: int = Field(
        0,
        ge=0,
        lt=2**53,
        alias="initIterations",
        description="how many iterations count as the first",
    )
    gradient_penalty: float = Field(10.0, ge=0, description="weight of the gradient penalty")

    @property
    def penalises_gradients(self) -> bool:
        """Whether the discriminator's slope at each sample is part of its loss."""
        return True


class R3GANConfig(AdversarialConfig):
    """The keys of R3GANLearningStrategy."""

    method: Method = Field(Method.ADAM, description="how gradients become steps")
    learning_rate: float | None = Field(2e-4, gt=0, description="step size")
    beta1: float = Field(0.0, ge=0, lt=1, description="ADAM's decay of the first moment")
    gamma: float = Field(1.0, ge=0, description="weight of both penalties, R1 and R2")

    @property
    def penalises_gradients(self) -> bool:
        """Whether the discriminator's slope at each sample is part of its loss."""
        return True


@dataclass(frozen=True)
class BuiltIn:
    """What is known of a built-in strategy without a learner.

    Attributes:
        summary: one sentence; the first of the strategy's own description.
        config: its keys.
    """

    summary: str
    config: type[AdversarialConfig]


BUILT_IN = {
    "GANLearningStrategy": BuiltIn(
        "DIANNE's GAN training: binary cross-entropy with smoothed targets.", GANConfig
    ),
    "LSGANLearningStrategy": BuiltIn(
        "Least squares GAN: samples far on the right side of the boundary are pulled back too.",
        LSGANConfig,
    ),
    "HingeGANLearningStrategy": BuiltIn(
        "GAN with the hinge loss: samples beyond the margin teach the discriminator nothing.",
        HingeGANConfig,
    ),
    "WGANLearningStrategy": BuiltIn(
        "Wasserstein GAN as DIANNE trains it: a critic whose weights are clamped.", WGANConfig
    ),
    "WGANGPLearningStrategy": BuiltIn(
        "Wasserstein GAN whose critic is held to slopes of one by a penalty.", WGANGPConfig
    ),
    "R3GANLearningStrategy": BuiltIn(
        "Relativistic GAN with penalties on real and fake samples, which provably converges "
        "locally.",
        R3GANConfig,
    ),
}
"""By name, in the order they are shown."""
