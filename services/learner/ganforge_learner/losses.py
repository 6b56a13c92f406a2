"""Losses: pure functions of what a discriminator says."""

import torch

LOWEST, HIGHEST = 1e-12, 1.0 - 1e-7
"""Probabilities are kept within these, away from log 0.

The lower one is far out, since a generator whose samples are all found out has no other slope to
climb; the upper one is the last that float32 can tell from 1.
"""


def binary_cross_entropy(probability_N: torch.Tensor, target: float) -> torch.Tensor:
    """Mean of -(t log p + (1 - t) log(1 - p)) over the batch (Goodfellow et al. 2014, eq. 1).

    Unlike ``torch.nn.functional.binary_cross_entropy`` it lets NaN through, on every device, so
    that a loss that has diverged can be told as such.

    Args:
        probability_N: what the discriminator says, in [0, 1], any shape with N numbers.
        target: what it is to say, in [0, 1].

    Returns:
        A scalar; finite also for p = 0 and p = 1.
    """
    logit_N = torch.logit(probability_N.clamp(LOWEST, HIGHEST))
    # -(t log p + (1 - t) log(1 - p)) with p = sigmoid(x): two small kernels in place of seven.
    return (torch.nn.functional.softplus(logit_N) - target * logit_N).mean()
