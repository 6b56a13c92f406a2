"""What a plug-in author imports: the strategy to derive from, networks, generators."""

from ganforge_learner.networks import build_network, load_generator
from ganforge_learner.strategy import LearningStrategy, LearnProgress

__all__ = ["LearnProgress", "LearningStrategy", "build_network", "load_generator"]
