"""Strategies whose discriminator is a critic: stepped more often, it measures a distance."""

from typing import TypeVar

from torch import Tensor

from ganforge.wire.strategies import CriticConfig
from ganforge_learner.adversarial import AdversarialStrategy, Losses
from ganforge_learner.strategy import LearnProgress

K = TypeVar("K", bound=CriticConfig)


class CriticStrategy(AdversarialStrategy[K]):
    """Steps the critic ``Diterations`` times for each step of the generator.

    In each of the first ``initIterations`` iterations it is ``initDiterations`` times instead, so
    that the critic is near its best before the generator follows it.
    """

    def discriminator_steps(self, i: int) -> int:
        """Tell how often the critic steps in iteration ``i``."""
        if i < self.config.initial_iterations:
            return self.config.initial_discriminator_iterations
        return self.config.discriminator_iterations

    def report(self, i: int, loss: Tensor, losses: Losses) -> LearnProgress:
        """Tell the critic's estimate of the Wasserstein distance as the minibatch loss.

        That is -(dLossReal + dLossFake), its mean over the critic's steps; the generator's loss
        is ``gLoss``.
        """
        distance = -(losses["dLossReal"] + losses["dLossFake"])
        return LearnProgress(i, distance, {**losses, "gLoss": loss})
