"""Distances to nearest neighbours, block by block, so that memory does not grow with N times M.

Shapes: N points, M other points, F features, B points of one block, K neighbours.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 512
"""Points of one block: against 60,000 others its distances take 120 MB."""


def distances(points_NF: Tensor, others_MF: Tensor) -> Iterator[Tensor]:
    """Give the Euclidean distances block by block, each (B, M), in the points' order.

    They are |a|^2 - 2ab + |b|^2, so that of equal points is 0 but for the dtype's rounding.
    """
    points_NF, others_MF = points_NF.flatten(1), others_MF.flatten(1)
    squares_M = others_MF.square().sum(1)
    for block_BF in torch.split(points_NF, BLOCK):
        squared_BM = block_BF.square().sum(1, keepdim=True) - 2 * block_BF @ others_MF.T
        yield squared_BM.add_(squares_M).clamp_(min=0).sqrt_()


def nearest(points_NF: Tensor, others_MF: Tensor, *, rank: int = 1) -> Tensor:
    """Give each point's distance to the nearest of the others, shape (N).

    Args:
        points_NF: the points.
        others_MF: at least ``rank`` of them.
        rank: 2 gives the second nearest, which is the nearest other one of points that are among
            the others themselves.
    """
    blocks = distances(points_NF, others_MF)
    return torch.cat([block_BM.kthvalue(rank, dim=1).values for block_BM in blocks])


def radii(points_NF: Tensor, k: int) -> Tensor:
    """Give each point's distance to its k-th nearest neighbour among the same points, itself apart.

    Args:
        points_NF: more than k of them.
        k: from 1 up.

    Returns:
        Shape (N).
    """
    if not 1 <= k < len(points_NF):
        raise ValueError(f"k is {k}, but there are {len(points_NF)} points")
    found = []
    for number, block_BM in enumerate(distances(points_NF, points_NF)):
        here_B = torch.arange(len(block_BM))
        block_BM[here_B, here_B + number * BLOCK] = torch.inf  # itself
        found.append(block_BM.topk(k, dim=1, largest=False).values[:, -1])
    return torch.cat(found)
