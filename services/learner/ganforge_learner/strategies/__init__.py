"""The built-in learning strategies."""

from ganforge_learner.strategies.gan import GANLearningStrategy
from ganforge_learner.strategies.hinge import HingeGANLearningStrategy
from ganforge_learner.strategies.lsgan import LSGANLearningStrategy
from ganforge_learner.strategies.r3gan import R3GANLearningStrategy
from ganforge_learner.strategies.wgan import WGANLearningStrategy
from ganforge_learner.strategies.wgan_gp import WGANGPLearningStrategy

__all__ = [
    "GANLearningStrategy",
    "HingeGANLearningStrategy",
    "LSGANLearningStrategy",
    "R3GANLearningStrategy",
    "WGANGPLearningStrategy",
    "WGANLearningStrategy",
]
