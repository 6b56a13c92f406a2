"""The sliced Wasserstein distance between two sets of images.

Shapes: N samples, F pixels, P directions.
"""

import torch
from torch import Tensor

DIRECTIONS = 128


def sliced_wasserstein(one_NF: Tensor, other_NF: Tensor, directions_FP: Tensor) -> float:
    """Give the sliced 2-Wasserstein distance: Bonneel et al. 2015, definition 2.

    Along a line the optimal transport pairs points by rank; the distance is the root of the mean,
    over directions, of the squared distance along each.

    Args:
        one_NF: samples, flattened.
        other_NF: as many.
        directions_FP: unit vectors, as ``draw_directions`` gives them.
    """
    one_NP = (one_NF.flatten(1) @ directions_FP).sort(0).values
    other_NP = (other_NF.flatten(1) @ directions_FP).sort(0).values
    return float((one_NP - other_NP).double().square().mean().sqrt())


def draw_directions(size: int, generator: torch.Generator, *, count: int = DIRECTIONS) -> Tensor:
    """Draw unit vectors uniformly, shape (F, P)."""
    drawn_FP = torch.randn(size, count, generator=generator)
    unit_FP: Tensor = drawn_FP / drawn_FP.norm(dim=0)
    return unit_FP
