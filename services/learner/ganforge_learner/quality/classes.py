"""What a classifier's word on samples says: classes covered, class KL, classifier score.

Shapes: N samples, K classes.
"""

import torch
from torch import Tensor

COVERED_SHARE = 0.1
"""A class is covered when it is drawn at least a tenth as often as it is in the data."""


def class_shares(classes_N: Tensor, count: int) -> Tensor:
    """Give each class's share, shape (K), in float64."""
    return torch.bincount(classes_N, minlength=count).double() / len(classes_N)


def classes_covered(drawn_K: Tensor, real_K: Tensor) -> int:
    """Count the classes of the data that are drawn at least a tenth as often as they are there."""
    return int(((real_K > 0) & (drawn_K >= COVERED_SHARE * real_K)).sum())


def class_kl(drawn_K: Tensor, real_K: Tensor) -> float:
    """Give KL(drawn || real) of two histograms, in nats; 0 when both are the same.

    Args:
        drawn_K: shares that sum to 1.
        real_K: likewise, and above 0 wherever ``drawn_K`` is.
    """
    drawn_K, real_K = drawn_K.double(), real_K.double()
    return max(0.0, float((torch.xlogy(drawn_K, drawn_K) - torch.xlogy(drawn_K, real_K)).sum()))


def classifier_score(probabilities_NK: Tensor) -> float:
    """Give exp(E KL(p(y|x) || p(y))): 1 at worst, the number of classes at best.

    The Inception score (Salimans et al. 2016, section 4) with another classifier: high when each
    sample is surely of one class, and all classes are drawn alike.

    Args:
        probabilities_NK: the classifier's word on each sample; rows sum to 1.
    """
    wide_NK = probabilities_NK.double()
    marginal_K = wide_NK.mean(0)
    kl_N = (torch.xlogy(wide_NK, wide_NK) - torch.xlogy(wide_NK, marginal_K)).sum(1)
    return float(kl_N.mean().exp())
