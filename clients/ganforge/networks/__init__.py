"""Networks as declarative JSON: what they are made of, what shapes that gives, what fits."""

from ganforge.networks.builtin import BUILTIN
from ganforge.networks.definition import Module, NetworkDefinition
from ganforge.networks.evaluation_fit import check_evaluation_fit
from ganforge.networks.fit import check_gan_fit
from ganforge.networks.inference import Inference, infer
from ganforge.networks.places import Place, find_places

__all__ = [
    "BUILTIN",
    "Inference",
    "Module",
    "NetworkDefinition",
    "Place",
    "check_evaluation_fit",
    "check_gan_fit",
    "find_places",
    "infer",
]
