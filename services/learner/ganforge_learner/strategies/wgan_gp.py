"""WGANGPLearningStrategy: the Wasserstein distance by a critic with a gradient penalty."""

from typing import ClassVar

import torch
from torch import Tensor

from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import WGANGPConfig
from ganforge_learner import penalties
from ganforge_learner.adversarial import Losses
from ganforge_learner.critic import CriticStrategy
from ganforge_learner.sampler import Batch


class WGANGPLearningStrategy(CriticStrategy[WGANGPConfig]):
    """Wasserstein GAN whose critic is held to slopes of one by a penalty.

    Gulrajani et al. 2017, algorithm 1, with lambda = gradientPenalty:

        critic:    E[D(G(z))] - E[D(x)] + lambda E[(|grad D(u)| - 1)^2],
                   u = e x + (1 - e) G(z), e ~ U(0, 1) for each sample
        generator: -E[D(G(z))]

    The penalty is always computed in float32. The critic ends in a number of any size, without a
    Sigmoid, and holds no BatchNorm, since the penalty is on each sample's own gradient. Reports
    the estimated distance E[D(x)] - E[D(G(z))], and ``dLossReal``, ``dLossFake``, ``penalty``
    (times lambda) and ``gLoss``.
    """

    Config: ClassVar[type[LearnConfig]] = WGANGPConfig

    def discriminator_losses(self, real: Batch, fake: Batch) -> Losses:
        """Give what the critic says, of real samples with the sign turned, and the penalty."""
        judged_real, judged_fake = self.judge_both(real, fake)
        return {
            "dLossReal": -judged_real.mean(),
            "dLossFake": judged_fake.mean(),
            "penalty": self.config.gradient_penalty * self._penalty(real, fake),
        }

    def generator_loss(self, fake: Batch, real: Batch) -> Tensor:
        """Give what the critic says of fake samples, to be raised."""
        return -self.judge(fake).mean()

    def _penalty(self, real: Batch, fake: Batch) -> Tensor:
        share_N = torch.rand(
            len(real.inputs),
            generator=self.streams.interpolation,
            device=real.inputs.device,
            dtype=real.inputs.dtype,
        )
        mixed = penalties.mix(real.inputs, fake.inputs, share_N).requires_grad_()
        judged_N = self.judge_exactly(Batch(mixed, real.classes))
        return penalties.one_centred(judged_N, mixed)
