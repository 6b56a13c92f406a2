"""Precision, recall, density and coverage, by nearest neighbours of features.

Shapes: N real points, M fake points, F features, B fake points of one block.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ganforge_learner.quality.neighbours import distances, radii

NEIGHBOURS = 5


@dataclass(frozen=True)
class Prdc:
    """How two sets of points lie in each other.

    Attributes:
        precision: share of fake points within the ball of some real point; never judge by it
            alone, since a single good picture has it all, and noise may have it too.
        recall: share of real points within the ball of some fake point.
        density: how many real balls a fake point lies in, in units of k; may exceed 1.
        coverage: share of real points whose ball holds a fake point.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real_NF: Tensor, fake_MF: Tensor, *, k: int = NEIGHBOURS) -> Prdc:
    """Compare two sets of features.

    A point's ball reaches to its k-th nearest neighbour in its own set, itself apart. Precision
    and recall: Kynkaanniemi et al. 2019, eq. 2; density and coverage: Naeem et al. 2020, eq. 5
    and 6.

    Args:
        real_NF: more than k points.
        fake_MF: more than k points.
        k: how many neighbours a ball has.
    """
    real_NF, fake_MF = real_NF.double(), fake_MF.double()
    real_radii_N, fake_radii_M = radii(real_NF, k), radii(fake_MF, k)
    is_covered_N = torch.zeros(len(real_NF), dtype=torch.bool)
    is_recalled_N = torch.zeros(len(real_NF), dtype=torch.bool)
    precise = balls = 0
    begin = 0
    for block_BN in distances(fake_MF, real_NF):
        in_real_BN = block_BN <= real_radii_N
        in_fake_BN = block_BN <= fake_radii_M[begin : begin + len(block_BN), None]
        precise += int(in_real_BN.any(1).sum())
        balls += int(in_real_BN.sum())
        is_covered_N |= in_real_BN.any(0)
        is_recalled_N |= in_fake_BN.any(0)
        begin += len(block_BN)
    return Prdc(
        precision=precise / len(fake_MF),
        recall=float(is_recalled_N.double().mean()),
        density=balls / (k * len(fake_MF)),
        coverage=float(is_covered_N.double().mean()),
    )
