"""GANLearningStrategy: generator against discriminator, as DIANNE defines it."""

from typing import ClassVar

from torch import Tensor

from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import GANConfig
from ganforge_learner.adversarial import AdversarialStrategy, Losses
from ganforge_learner.losses import CRITERIA
from ganforge_learner.sampler import Batch


class GANLearningStrategy(AdversarialStrategy[GANConfig]):
    """DIANNE's GAN training: binary cross-entropy with smoothed targets.

    The min-max game of Goodfellow et al. 2014 (algorithm 1) with the generator's non-saturating
    loss (section 3) and targets of 0.85 and 0.15 in place of 1 and 0 (label smoothing, Salimans
    et al. 2016, section 3.4):

        discriminator: c(D(x), targetReal) + c(D(G(z)), targetFake)
        generator:     c(D(G(z)), targetReal)

    with c the mean ``criterion`` over the batch, BCE by default. For BCE and NLL the
    discriminator ends in a Sigmoid; for BCE_LOGITS it does not; for MSE, ABS and HUB it may.
    Reports the generator's loss, and ``dLossReal`` and ``dLossFake``.
    """

    Config: ClassVar[type[LearnConfig]] = GANConfig

    def discriminator_losses(self, real: Batch, fake: Batch) -> Losses:
        """Give the criterion of real and of fake samples."""
        judged_real, judged_fake = self.judge_both(real, fake)
        return {
            "dLossReal": self._criterion(judged_real, self.config.target_real),
            "dLossFake": self._criterion(judged_fake, self.config.target_fake),
        }

    def generator_loss(self, fake: Batch, real: Batch) -> Tensor:
        """Give the criterion of fake samples taken as real ones."""
        return self._criterion(self.judge(fake), self.config.target_real)

    def _criterion(self, judged: Tensor, target: float) -> Tensor:
        return CRITERIA[self.config.criterion](judged, target)
