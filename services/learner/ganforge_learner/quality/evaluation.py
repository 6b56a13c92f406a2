"""One evaluation: samples of a generator against real images, and real ones against real ones.

The data is split into two halves. Every figure compares n images with n of the first half: the
samples of a generator, and for the floor as many of the second half. Equal sizes matter: the
Frechet distance, for one, is estimated too large by about 1/n.

Shapes: N samples, C channels, H height, W width, F features, K classes, P pixels.
"""

from dataclasses import asdict

import torch
from torch import Tensor, nn
from torch.nn.functional import softmax

from ganforge.errors import BadInput
from ganforge.wire.quality import Figures
from ganforge_learner.quality import judge as judges
from ganforge_learner.quality.classes import (
    class_kl,
    class_shares,
    classes_covered,
    classifier_score,
)
from ganforge_learner.quality.copies import copy_distance, near_copies
from ganforge_learner.quality.frechet import frechet_distance
from ganforge_learner.quality.judge import CLASSES, RealImages
from ganforge_learner.quality.prdc import prdc
from ganforge_learner.quality.wasserstein import draw_directions, sliced_wasserstein

SEED = 0
PRDC_MOST = 5000
"""Neighbours are looked for among so many of each set at most."""
COPIES_MOST = 1000
"""So many samples at most are held against every image."""


class Reference:
    """The real images' side of evaluations: prepared once, then asked for every generator.

    Args:
        real: the data.
        network: its judge.
        samples: how many images to compare; never more than half of the data.
    """

    def __init__(self, real: RealImages, network: nn.Sequential, *, samples: int) -> None:
        self.samples = min(samples, len(real.images_NCHW) // 2)
        self._network = network
        self._class_count = real.class_count if real.task == CLASSES else None
        order_N = torch.randperm(
            len(real.images_NCHW), generator=torch.Generator().manual_seed(SEED)
        )
        self._images_NP = real.images_NCHW.flatten(1)
        self._half_NCHW = real.images_NCHW[order_N[: self.samples]]
        other_NCHW = real.images_NCHW[order_N[self.samples : 2 * self.samples]]
        self._features_NF, logits_NK = judges.judge(network, self._half_NCHW)
        self._classes_N = logits_NK.argmax(1)
        self._directions_PD = draw_directions(
            self._images_NP.shape[1], torch.Generator().manual_seed(SEED)
        )
        self._copy_distance = copy_distance(
            self._half_NCHW[:COPIES_MOST].flatten(1), self._images_NP
        )
        self.floor = self._measure(other_NCHW, is_real=True)

    def measure(self, samples_NCHW: Tensor) -> Figures:
        """Compare samples with the real images.

        Args:
            samples_NCHW: exactly ``samples`` of them, in the data's shape.

        Raises:
            BadInput: a sample is not finite.
        """
        if not bool(torch.isfinite(samples_NCHW).all()):
            raise BadInput("the generator draws NaN or infinity: evaluate an earlier version")
        return self._measure(samples_NCHW, is_real=False)

    def _measure(self, images_NCHW: Tensor, *, is_real: bool) -> Figures:
        features_NF, logits_NK = judges.judge(self._network, images_NCHW)
        copied = near_copies(
            images_NCHW[:COPIES_MOST].flatten(1),
            self._images_NP,
            self._copy_distance,
            rank=2 if is_real else 1,
        )
        return Figures(
            fcd=frechet_distance(self._features_NF, features_NF),
            **asdict(prdc(self._features_NF[:PRDC_MOST], features_NF[:PRDC_MOST])),
            **self._of_classes(logits_NK),
            near_copies=copied,
            sliced_wasserstein=sliced_wasserstein(
                self._half_NCHW, images_NCHW, self._directions_PD
            ),
        )

    def _of_classes(self, logits_NK: Tensor) -> dict[str, float]:
        if self._class_count is None:
            return {}
        count = self._class_count
        real_K = class_shares(self._classes_N, count)
        drawn_K = class_shares(logits_NK.argmax(1), count)
        # As if each class had been seen once more: one that is in no real image of this half
        # would make the KL infinite.
        smooth_K = (real_K * self.samples + 1) / (self.samples + count)
        return {
            "classes_covered": classes_covered(drawn_K, real_K),
            "class_kl": class_kl(drawn_K, smooth_K),
            "classifier_score": max(1.0, classifier_score(softmax(logits_NK.double(), 1))),
        }
