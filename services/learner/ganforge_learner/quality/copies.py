"""Near-copies: samples that lie closer to an image of the data than its images to each other.

Shapes: N samples, M images, F pixels.
"""

import torch
from torch import Tensor

from ganforge_learner.quality.neighbours import nearest

QUANTILE = 0.01
"""Of real images so many have another one that close."""

_ROUNDING = 2e-3
"""Of a sample's norm: what float32 may make of the distance of two equal images."""


def copy_distance(own_NF: Tensor, images_MF: Tensor) -> float:
    """Give the distance within which a sample counts as a near-copy.

    It is the 1 % quantile of the distances of real images to the nearest other one, so of fresh
    real images about 1 % count.

    Args:
        own_NF: some of the images.
        images_MF: all of them; at least two.
    """
    return float(nearest(own_NF, images_MF, rank=2).quantile(QUANTILE))


def near_copies(samples_NF: Tensor, images_MF: Tensor, distance: float, *, rank: int = 1) -> float:
    """Give the share of samples within ``distance`` of an image; exact copies always count.

    Args:
        samples_NF: pixels.
        images_MF: the images that may have been copied.
        distance: as ``copy_distance`` gives it.
        rank: 2 when the samples are images themselves, which are no copies of their own.
    """
    rounding_N = _ROUNDING * samples_NF.flatten(1).norm(dim=1)
    close_N = nearest(samples_NF, images_MF, rank=rank) <= distance + rounding_N
    return float(close_N.to(torch.float64).mean())
