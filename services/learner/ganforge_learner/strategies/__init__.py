"""The built-in learning strategies."""

from ganforge_learner.strategies.gan import GANLearningStrategy

__all__ = ["GANLearningStrategy"]
