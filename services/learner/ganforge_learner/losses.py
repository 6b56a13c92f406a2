"""Losses: pure functions of what a discriminator says.

All give the mean over N samples, as a scalar; all let NaN through, so that a loss that has
diverged can be told as such.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganforge.wire.strategies import Criterion

LOWEST, HIGHEST = 1e-12, 1.0 - 1e-7
"""Probabilities are kept within these, away from log 0.

The lower one is far out, since a generator whose samples are all found out has no other slope to
climb; the upper one is the last that float32 can tell from 1.
"""


def binary_cross_entropy(probability_N: Tensor, target: float) -> Tensor:
    """Mean of -(t log p + (1 - t) log(1 - p)) over the batch (Goodfellow et al. 2014, eq. 1).

    Unlike ``torch.nn.functional.binary_cross_entropy`` it lets NaN through, on every device.

    Args:
        probability_N: what the discriminator says, in [0, 1], any shape with N numbers.
        target: what it is to say, in [0, 1].

    Returns:
        A scalar; finite also for p = 0 and p = 1.
    """
    logit_N = torch.logit(probability_N.clamp(LOWEST, HIGHEST))
    # -(t log p + (1 - t) log(1 - p)) with p = sigmoid(x): two small kernels in place of seven.
    return (softplus(logit_N) - target * logit_N).mean()


def binary_cross_entropy_of_logits(logit_N: Tensor, target: float) -> Tensor:
    """``binary_cross_entropy`` of p = 1 / (1 + exp(-logit)), without losing digits on the way."""
    return (softplus(logit_N) - target * logit_N).mean()


def squared_error(judged_N: Tensor, target: float) -> Tensor:
    """Mean of (y - t)^2."""
    return (judged_N - target).square().mean()


def absolute_error(judged_N: Tensor, target: float) -> Tensor:
    """Mean of |y - t|."""
    return (judged_N - target).abs().mean()


def pseudo_huber(judged_N: Tensor, target: float) -> Tensor:
    """Mean of sqrt(1 + (y - t)^2) - 1: squared near the target, absolute far from it."""
    square_N = (judged_N - target).square()
    # sqrt(1 + s) - 1, without the difference of two numbers that are nearly alike.
    return (square_N / ((1 + square_N).sqrt() + 1)).mean()


def negative_log_likelihood(probability_N: Tensor, target: float) -> Tensor:
    """Mean of -sum_k t_k log p_k over both outcomes, p = (p, 1 - p) and t = (t, 1 - t).

    Of a discriminator's one probability it says the same as ``binary_cross_entropy``. Summed over
    the outcome "real" alone, real and fake samples would both pull the probability towards 1.
    """
    kept_N = probability_N.clamp(LOWEST, HIGHEST)
    return -(target * kept_N.log() + (1 - target) * torch.log1p(-kept_N)).mean()


CRITERIA: dict[Criterion, Callable[[Tensor, float], Tensor]] = {
    Criterion.MSE: squared_error,
    Criterion.ABS: absolute_error,
    Criterion.BCE: binary_cross_entropy,
    Criterion.BCE_LOGITS: binary_cross_entropy_of_logits,
    Criterion.NLL: negative_log_likelihood,
    Criterion.HUB: pseudo_huber,
}
"""What a loss makes of a discriminator's word and its target, by DIANNE's names."""


def hinge(judged_N: Tensor, side: int) -> Tensor:
    """Mean of max(0, 1 - side * y): how far y falls short of 1 on its side.

    Lim and Ye 2017; Miyato et al. 2018, equation 16.

    Args:
        judged_N: what the discriminator says, any number.
        side: 1 for real samples, -1 for fake ones.
    """
    return relu(1 - side * judged_N).mean()


def relativistic(better_N: Tensor, worse_N: Tensor) -> Tensor:
    """Mean of log(1 + exp(-(better - worse))) over pairs.

    Jolicoeur-Martineau 2019, the relativistic pairing loss; Huang et al. 2024, equation 2 with
    f(t) = -log(1 + exp(-t)).
    """
    return softplus(worse_N - better_N).mean()
