"""Networks built from their definitions, and their first weights."""

from ganforge_learner.networks.building import build_network, load_generator, takes_samples_apart
from ganforge_learner.networks.initialisation import initialise
from ganforge_learner.networks.modules import ConditionalNetwork

__all__ = [
    "ConditionalNetwork",
    "build_network",
    "initialise",
    "load_generator",
    "takes_samples_apart",
]
