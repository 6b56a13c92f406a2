"""Gradient penalties: pure functions of what a discriminator says and of what it was given.

All are differentiable, so that a discriminator can be stepped down them; compute them in float32.

Shapes: N batch, ... one sample's.
"""

import torch
from torch import Tensor


def mix(real: Tensor, fake: Tensor, share_N: Tensor) -> Tensor:
    """Give points on the lines between real and fake samples (Gulrajani et al. 2017, alg. 1).

    Args:
        real: shape (N, ...).
        fake: shape (N, ...).
        share_N: the share of the real sample in each, in [0, 1].
    """
    share = share_N.view(-1, *[1] * (real.dim() - 1))
    return share * real + (1 - share) * fake


def one_centred(judged_N: Tensor, samples: Tensor) -> Tensor:
    """Mean of (|grad D| - 1)^2 over the samples (Gulrajani et al. 2017, equation 3).

    Args:
        judged_N: what the discriminator says of ``samples``, each of its own alone.
        samples: shape (N, ...); ask for gradients.
    """
    # The norm's slope at 0 is taken as 0, where a square root would have none.
    norms_N: Tensor = torch.linalg.vector_norm(_gradients(judged_N, samples), dim=1)
    return (norms_N - 1).square().mean()


def zero_centred(judged_N: Tensor, samples: Tensor) -> Tensor:
    """Mean of |grad D|^2 over the samples: R1 of real ones, R2 of fake ones.

    Mescheder et al. 2018, equations 9 and 10, without the factor gamma / 2.

    Args:
        judged_N: what the discriminator says of ``samples``, each of its own alone.
        samples: shape (N, ...); ask for gradients.
    """
    return _gradients(judged_N, samples).square().sum(dim=1).mean()


def _gradients(judged_N: Tensor, samples: Tensor) -> Tensor:
    """Give each sample's own gradient, shape (N, numbers of a sample)."""
    # The sum's gradient is each sample's own, since none has a say in another's judgement.
    (gradient,) = torch.autograd.grad(judged_N.sum(), samples, create_graph=True)
    return gradient.flatten(1)
