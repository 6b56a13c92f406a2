"""WGANLearningStrategy: the Wasserstein distance by a critic with clamped weights."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import WGANConfig
from ganforge_learner.adversarial import Losses
from ganforge_learner.critic import CriticStrategy
from ganforge_learner.sampler import Batch


class WGANLearningStrategy(CriticStrategy[WGANConfig]):
    """Wasserstein GAN as DIANNE trains it: a critic whose weights are clamped.

    Arjovsky et al. 2017, algorithm 1. With DIANNE, and the authors' own code, the critic says low
    of real samples and high of fake ones (their f is -D):

        critic:    E[D(x)] - E[D(G(z))], weights clamped to [-clamp, clamp] at setup and after
                   each step
        generator: E[D(G(z))]

    As in DIANNE the generator's step takes the latents of the critic's last step again, where
    the paper draws new ones. Unlike DIANNE, gradients are forgotten between the critic's steps.
    The critic ends in a number of any size, without a Sigmoid. Reports the estimated distance
    E[D(G(z))] - E[D(x)], and ``dLossReal``, ``dLossFake`` and ``gLoss``.
    """

    Config: ClassVar[type[LearnConfig]] = WGANConfig

    def setup(self, config: Mapping[str, Any], dataset: Any, *networks: torch.nn.Module) -> None:
        """Get ready to train; the critic's weights are clamped from the beginning."""
        super().setup(config, dataset, *networks)
        self.after_discriminator_step()

    def discriminator_losses(self, real: Batch, fake: Batch) -> Losses:
        """Give what the critic says, of fake samples with the sign turned."""
        judged_real, judged_fake = self.judge_both(real, fake)
        return {"dLossReal": judged_real.mean(), "dLossFake": -judged_fake.mean()}

    def generator_loss(self, fake: Batch, real: Batch) -> Tensor:
        """Give what the critic says of fake samples, to be lowered."""
        return self.judge(fake).mean()

    def latents_of_generator_step(self) -> Tensor:
        """Give the latents of the critic's last step again."""
        return self.last_latents

    def after_discriminator_step(self) -> None:
        """Clamp the critic's weights."""
        self.discriminator_descent.clamp(self.config.clamp)
