"""The collapse alarm: looks at samples now and then, and says when they have become all alike.

It needs neither classes nor a trained network. Real samples are grouped once around prototypes
(k-means, Lloyd 1982); fake ones are sorted to their nearest prototypes. Then, on MNIST,

    diversity = exp(entropy of the fakes' prototypes) / exp(entropy of as many real samples')

is about 1 for a healthy generator, 0.1 to 0.3 for real images of a single digit. But every
generator begins without diversity: with noise, and then often for thousands of iterations with
pictures that are all near the mean of the real ones, out of which the kinds grow. Such pictures
are pale:

    contrast = median over fakes of the standard deviation of its numbers / the same of real ones

is about 0.5 for the mean image and 0.3 to 0.75 for slow beginnings, and 1 for real images. So
samples are alike that have the contrast of real ones without their diversity; and those whose

    spread = median distance of a fake to its nearest other / the same of as many real samples

is near 0: one picture again and again, however pale.

Shapes: N samples, P numbers in a sample, K prototypes.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ganforge_learner.datasets import Dataset

LOOK_INTERVAL = 100
"""Iterations between two looks."""
FAKES = 128
"""Samples for each look."""

PROTOTYPES = 32
KMEANS_STEPS = 10
EXAMPLES = 2048
DRAWS = 20

ARMED = 0.5
"""A diversity that only a generator reaches which has learnt something."""
LOW = 0.3
PERSISTENCE = 3
"""Looks in a row at which the diversity of a generator that was diverse has to be low."""
NEVER = 100
"""Looks after which a generator that was never diverse counts as collapsed, too."""
CRISP = 0.85
"""A contrast that no slow beginning reaches."""
COPIES = 0.03
"""A spread of copies."""
RECENT, MOST = 10, 8
"""Of so many looks, so many that found samples alike are a collapse."""


@dataclass(frozen=True)
class Watch:
    """What the alarm remembers from look to look.

    Attributes:
        looks: how many there were.
        is_armed: whether the median diversity of three looks in a row has ever been high.
        last: the diversities of the last three looks.
        low: looks in a row, up to the last, at which the diversity was low.
        alike: which of the recent looks found samples that are alike.
    """

    looks: int = 0
    is_armed: bool = False
    last: tuple[float, ...] = ()
    low: int = 0
    alike: tuple[bool, ...] = ()

    def after(self, diversity: float, *, contrast: float, spread: float) -> "Watch":
        """Take in one more look; what is NaN counts as alike."""
        last = (*self.last, diversity)[-3:]
        is_low = not diversity >= LOW
        is_alike = is_low and (not contrast < CRISP or not spread >= COPIES)
        return Watch(
            looks=self.looks + 1,
            is_armed=self.is_armed or (len(last) == 3 and sorted(last)[1] >= ARMED),
            last=last,
            low=self.low + 1 if is_low else 0,
            alike=(*self.alike, is_alike)[-RECENT:],
        )

    @property
    def rings(self) -> bool:
        """Whether the generator is diverse no more, or never was, or its samples are alike."""
        stays_low = self.low >= PERSISTENCE and (self.is_armed or self.looks >= NEVER)
        return stays_low or sum(self.alike) >= MOST


@dataclass(frozen=True)
class Prototypes:
    """What real samples look like.

    Attributes:
        points_KP: the prototypes.
        effective: exp(entropy) of as many real samples as there are in a look; mean of draws.
        distance: the median distance of those to their nearest other; likewise.
        contrast_within: the median standard deviation of the numbers within a sample.
    """

    points_KP: Tensor
    effective: float
    distance: float
    contrast_within: float

    @classmethod
    def of(cls, real_NP: Tensor) -> "Prototypes":
        """Group real samples; the same samples give the same prototypes."""
        stream = torch.Generator().manual_seed(0)
        order_N = torch.randperm(len(real_NP), generator=stream).to(real_NP.device)
        points_KP = real_NP[order_N[:PROTOTYPES]].clone()
        for _ in range(KMEANS_STEPS):
            nearest_N = _nearest(real_NP, points_KP)
            counts_K = torch.bincount(nearest_N, minlength=len(points_KP))
            sums_KP = torch.zeros_like(points_KP).index_add_(0, nearest_N, real_NP)
            filled_K = counts_K > 0
            points_KP[filled_K] = sums_KP[filled_K] / counts_K[filled_K, None]
        drawn = torch.randint(len(real_NP), (DRAWS, FAKES), generator=stream).to(real_NP.device)
        effective = sum(_effective(real_NP[row], points_KP) for row in drawn) / DRAWS
        distance = sum(_distance(real_NP[row.unique()]) for row in drawn) / DRAWS
        return cls(points_KP, effective, distance, _contrast(real_NP))

    def diversity(self, fake_NP: Tensor) -> float:
        """Tell over how many prototypes samples spread, as a share of what real ones do.

        NaN where a sample is not finite.
        """
        if not bool(torch.isfinite(fake_NP).all()):
            return math.nan
        return _effective(fake_NP, self.points_KP) / self.effective

    def contrast(self, fake_NP: Tensor) -> float:
        """Tell how far the numbers within a sample lie apart, as a share of what real ones' do.

        NaN where a sample is not finite; 0 where real samples have no contrast.
        """
        return _contrast(fake_NP) / self.contrast_within if self.contrast_within else 0.0

    def spread(self, fake_NP: Tensor) -> float:
        """Tell how far samples lie from their nearest other, as a share of what real ones do.

        NaN where a sample is not finite.
        """
        if not bool(torch.isfinite(fake_NP).all()):
            return math.nan
        return _distance(fake_NP) / self.distance if self.distance else 1.0


def _nearest(samples_NP: Tensor, points_KP: Tensor) -> Tensor:
    # argmin |x - p|^2 = argmin |p|^2 - 2 x.p
    return (points_KP.square().sum(1) - 2.0 * samples_NP @ points_KP.T).argmin(1)


def _contrast(samples_NP: Tensor) -> float:
    centred_NP = samples_NP - samples_NP.mean(dim=1, keepdim=True)
    return float(torch.linalg.vector_norm(centred_NP, dim=1).median()) / math.sqrt(
        samples_NP.shape[1]
    )


def _distance(samples_NP: Tensor) -> float:
    distances_NN = torch.cdist(samples_NP, samples_NP).fill_diagonal_(torch.inf)
    return float(distances_NN.min(dim=1).values.median())


def _effective(samples_NP: Tensor, points_KP: Tensor) -> float:
    counts_K = torch.bincount(_nearest(samples_NP, points_KP), minlength=len(points_KP))
    return float(torch.special.entr(counts_K / len(samples_NP)).sum().exp())


class CollapseAlarm:
    """Says in words when a generator has collapsed.

    Args:
        dataset: the real samples.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._prototypes: Prototypes | None = None  # not made before the first iteration
        self._watch = Watch()

    def look(self, samples: Tensor) -> str | None:
        """Look at ``FAKES`` samples drawn from latents that stay the same for the whole job.

        Args:
            samples: shape (N, *sample shape), in the dataset's range of values.

        Returns:
            How the collapse shows; None while all is well.
        """
        if self._prototypes is None:
            self._prototypes = Prototypes.of(_examples(self._dataset).to(samples.device))
        fake_NP = samples.flatten(1).float()
        diversity = self._prototypes.diversity(fake_NP)
        self._watch = self._watch.after(
            diversity,
            contrast=self._prototypes.contrast(fake_NP),
            spread=self._prototypes.spread(fake_NP),
        )
        if not self._watch.rings:
            return None
        return f"its samples are {diversity:.0%} as diverse as the dataset's"

    def state_dict(self) -> dict[str, Any]:
        """Give what the alarm remembers."""
        return asdict(self._watch)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._watch = Watch(
            **{**state, "last": tuple(state["last"]), "alike": tuple(state["alike"])}
        )


def _examples(dataset: Dataset) -> Tensor:
    """Choose real samples, flattened: always the same ones."""
    stream = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(dataset), generator=stream)[:EXAMPLES]
    return dataset.scaled(dataset.samples[chosen.to(dataset.samples.device)]).flatten(1)
