"""The Frechet distance between two sets of features, each taken for a Gaussian.

Shapes: N samples, F features.
"""

import torch
from torch import Tensor


def frechet_distance(one_NF: Tensor, other_NF: Tensor) -> float:
    """Give the squared Frechet distance of the Gaussians fitted to two sets of features.

    Its estimate is too large by about 1/N: compare only distances of sets of equal sizes.

    Args:
        one_NF: at least two rows.
        other_NF: at least two rows, and as many features.
    """
    return gaussian_distance(*moments(one_NF), *moments(other_NF))


def moments(features_NF: Tensor) -> tuple[Tensor, Tensor]:
    """Give the mean (F) and the unbiased covariance (F, F), in float64."""
    wide_NF = features_NF.to(torch.float64)
    centred_NF = wide_NF - wide_NF.mean(0)
    return wide_NF.mean(0), centred_NF.T @ centred_NF / (len(wide_NF) - 1)


def gaussian_distance(mean_F: Tensor, cov_FF: Tensor, mean2_F: Tensor, cov2_FF: Tensor) -> float:
    """Give the squared Frechet distance of two Gaussians.

    |m - m2|^2 + tr(C + C2 - 2 (C C2)^(1/2)): Dowson and Landau 1982, eq. 4; as a figure for
    generators, Heusel et al. 2017, eq. 6.
    """
    # (C C2)^(1/2) has the trace of (R C2 R)^(1/2) where R R = C, and that one is symmetric: its
    # eigenvalues are real however few the samples were.
    root_FF = _root(cov_FF)
    product_FF = root_FF @ cov2_FF @ root_FF
    cross = _eigenvalues(product_FF).sqrt().sum()
    distance = (mean_F - mean2_F).square().sum() + cov_FF.trace() + cov2_FF.trace() - 2 * cross
    return max(0.0, float(distance))


def _root(symmetric_FF: Tensor) -> Tensor:
    values_F, vectors_FF = torch.linalg.eigh(symmetric_FF)
    root_FF: Tensor = (vectors_FF * values_F.clamp(min=0).sqrt()) @ vectors_FF.T
    return root_FF


def _eigenvalues(symmetric_FF: Tensor) -> Tensor:
    values_F: Tensor = torch.linalg.eigvalsh((symmetric_FF + symmetric_FF.T) / 2)
    return values_F.clamp(min=0)
