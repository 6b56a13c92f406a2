"""InstanceNoiseGAN: DIANNE's GAN training, with noise on what the discriminator is shown."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field

from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import GANConfig
from ganforge_learner.sampler import Batch
from ganforge_learner.strategies import GANLearningStrategy


class InstanceNoiseConfig(GANConfig):
    """The keys of InstanceNoiseGAN; whoever lists the strategies is shown them."""

    noise: float = Field(
        0.1, ge=0, description="standard deviation of the noise on real and fake samples"
    )


class InstanceNoiseGAN(GANLearningStrategy):
    """GAN training with instance noise (Sonderby et al. 2016, section 2.3)."""

    Config: ClassVar[type[LearnConfig]] = InstanceNoiseConfig

    def setup(self, config: Mapping[str, Any], dataset: Any, *networks: torch.nn.Module) -> None:
        """Get ready to train."""
        super().setup(config, dataset, *networks)
        self._noise = self.parse(config).noise

    def discriminator_losses(self, real: Batch, fake: Batch) -> dict[str, torch.Tensor]:
        """Give the losses of noisy samples."""
        return super().discriminator_losses(self._noisy(real), self._noisy(fake))

    def _noisy(self, samples: Batch) -> Batch:
        # From a stream that is saved with the job, so that it resumes exactly.
        noise = torch.randn(
            samples.inputs.shape, generator=self.streams.latents, device=samples.inputs.device
        )
        return Batch(samples.inputs + self._noise * noise, samples.classes)
