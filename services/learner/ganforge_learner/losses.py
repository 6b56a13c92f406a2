"""Losses: pure functions of what a discriminator says."""

import torch
import torch.nn.functional as F


def binary_cross_entropy(probability_N: torch.Tensor, target_N: torch.Tensor) -> torch.Tensor:
    """Mean of -(t log p + (1 - t) log(1 - p)) over the batch (Goodfellow et al. 2014, eq. 1).

    Args:
        probability_N: what the discriminator says, in [0, 1], any shape with N numbers.
        target_N: what it is to say, in [0, 1], of the same shape.

    Returns:
        A scalar; finite also for p = 0 and p = 1, since torch clamps the logarithms at -100.
    """
    return F.binary_cross_entropy(probability_N, target_N)
