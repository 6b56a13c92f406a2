"""HingeGANLearningStrategy: a discriminator that is content with a margin."""

from typing import ClassVar

from torch import Tensor

from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import HingeGANConfig
from ganforge_learner.adversarial import AdversarialStrategy, Losses
from ganforge_learner.losses import hinge
from ganforge_learner.sampler import Batch


class HingeGANLearningStrategy(AdversarialStrategy[HingeGANConfig]):
    """GAN with the hinge loss: samples beyond the margin teach the discriminator nothing.

    Lim and Ye 2017; Miyato et al. 2018 (spectral normalisation), equations 16 and 17:

        discriminator: E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]
        generator:     -E[D(G(z))]

    The discriminator ends in a number of any size, without a Sigmoid. Reports the generator's
    loss, and ``dLossReal`` and ``dLossFake``.
    """

    Config: ClassVar[type[LearnConfig]] = HingeGANConfig

    def discriminator_losses(self, real: Batch, fake: Batch) -> Losses:
        """Give how far real and fake samples fall short of the margin."""
        judged_real, judged_fake = self.judge_both(real, fake)
        return {"dLossReal": hinge(judged_real, 1), "dLossFake": hinge(judged_fake, -1)}

    def generator_loss(self, fake: Batch, real: Batch) -> Tensor:
        """Give what the discriminator says of fake samples, to be raised."""
        return -self.judge(fake).mean()
