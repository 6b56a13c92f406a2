"""R3GANLearningStrategy: a relativistic loss, regularised on real and on fake samples."""

from typing import ClassVar

from torch import Tensor

from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import R3GANConfig
from ganforge_learner import penalties
from ganforge_learner.adversarial import AdversarialStrategy, Losses
from ganforge_learner.losses import relativistic
from ganforge_learner.sampler import Batch


class R3GANLearningStrategy(AdversarialStrategy[R3GANConfig]):
    """Relativistic GAN with penalties on real and fake samples, which provably converges locally.

    Huang et al. 2024 ("The GAN is dead; long live the GAN!"), equations 2 to 4, pairing each real
    sample with a fake one, with f(t) = -log(1 + exp(-t)):

        discriminator: E[-f(D(x) - D(G(z)))] + gamma/2 E[|grad D(x)|^2] (R1)
                                             + gamma/2 E[|grad D(G(z))|^2] (R2)
        generator:     E[-f(D(G(z)) - D(x))]

    The discriminator's step is always computed in float32, since its loss and its penalties come
    of one pass. It ends in a number of any size, without a Sigmoid, and holds no BatchNorm, since
    the penalties are on each sample's own gradient. Reports the generator's loss, and ``dLoss``,
    ``penaltyReal`` and ``penaltyFake`` (times gamma / 2).
    """

    Config: ClassVar[type[LearnConfig]] = R3GANConfig

    def discriminator_losses(self, real: Batch, fake: Batch) -> Losses:
        """Give the relativistic loss and both penalties."""
        real = real._replace(inputs=real.inputs.detach().requires_grad_())
        fake = fake._replace(inputs=fake.inputs.detach().requires_grad_())
        judged_real, judged_fake = self.judge_exactly(real), self.judge_exactly(fake)
        half = self.config.gamma / 2
        return {
            "dLoss": relativistic(judged_real, judged_fake),
            "penaltyReal": half * penalties.zero_centred(judged_real, real.inputs),
            "penaltyFake": half * penalties.zero_centred(judged_fake, fake.inputs),
        }

    def generator_loss(self, fake: Batch, real: Batch) -> Tensor:
        """Give the relativistic loss with the sides changed."""
        return relativistic(self.judge(fake), self.judge(real))
