"""LSGANLearningStrategy: least squares in place of cross-entropy."""

from typing import ClassVar

from torch import Tensor

from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import LSGANConfig
from ganforge_learner.adversarial import AdversarialStrategy, Losses
from ganforge_learner.losses import squared_error
from ganforge_learner.sampler import Batch


class LSGANLearningStrategy(AdversarialStrategy[LSGANConfig]):
    """Least squares GAN: samples far on the right side of the boundary are pulled back too.

    Mao et al. 2017, equation 2, with b = c = targetReal and a = targetFake; the defaults, 1 and 0,
    are their equation 9:

        discriminator: 1/2 E[(D(x) - b)^2] + 1/2 E[(D(G(z)) - a)^2]
        generator:     1/2 E[(D(G(z)) - c)^2]

    The discriminator ends in a number of any size, without a Sigmoid. Reports the generator's
    loss, and ``dLossReal`` and ``dLossFake``.
    """

    Config: ClassVar[type[LearnConfig]] = LSGANConfig

    def discriminator_losses(self, real: Batch, fake: Batch) -> Losses:
        """Give half the squared errors of real and of fake samples."""
        judged_real, judged_fake = self.judge_both(real, fake)
        return {
            "dLossReal": squared_error(judged_real, self.config.target_real) / 2,
            "dLossFake": squared_error(judged_fake, self.config.target_fake) / 2,
        }

    def generator_loss(self, fake: Batch, real: Batch) -> Tensor:
        """Give half the squared error of fake samples taken as real ones."""
        return squared_error(self.judge(fake), self.config.target_real) / 2
