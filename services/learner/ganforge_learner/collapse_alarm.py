"""The collapse alarm: looks at samples now and then, and says when they have become all alike.

It needs neither classes nor a trained network. Real samples are grouped once around prototypes
(k-means, Lloyd 1982); fake ones are sorted to their nearest prototypes, and their

    diversity = exp(entropy of the fakes' prototypes) / exp(entropy of as many real samples')

is about 1 for a healthy generator, 0.1 to 0.3 for one that makes a single digit of MNIST, and
lower yet for one that makes noise or one picture.

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
LOW = 0.35
PERSISTENCE = 3
"""Looks in a row at which the diversity has to be low."""
NEVER = 100
"""Looks after which a generator that was never diverse counts as collapsed, too."""


@dataclass(frozen=True)
class Watch:
    """What the alarm remembers from look to look.

    Attributes:
        looks: how many there were.
        best: the highest median of three looks in a row.
        last: the diversities of the last three looks.
        low: looks in a row, up to the last, at which the diversity was low.
    """

    looks: int = 0
    best: float = 0.0
    last: tuple[float, ...] = ()
    low: int = 0

    def after(self, diversity: float) -> "Watch":
        """Take in one more look; a diversity that is NaN counts as low."""
        last = (*self.last, diversity)[-3:]
        best = max(self.best, sorted(last)[1]) if len(last) == 3 else self.best
        low = 0 if diversity >= LOW else self.low + 1
        return Watch(self.looks + 1, best, last, low)

    @property
    def rings(self) -> bool:
        """Whether the generator has collapsed: it is diverse no more, or has never been."""
        return self.low >= PERSISTENCE and (self.best >= ARMED or self.looks >= NEVER)


@dataclass(frozen=True)
class Prototypes:
    """What real samples look like.

    Attributes:
        points_KP: the prototypes.
        effective: exp(entropy) of as many real samples as there are in a look; mean of draws.
    """

    points_KP: Tensor
    effective: float

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
        effective = [_effective(real_NP[row], points_KP) for row in drawn]
        return cls(points_KP, sum(effective) / DRAWS)

    def diversity(self, fake_NP: Tensor) -> float:
        """Tell over how many prototypes samples spread, as a share of what real ones do.

        NaN where a sample is not finite.
        """
        if not bool(torch.isfinite(fake_NP).all()):
            return math.nan
        return _effective(fake_NP, self.points_KP) / self.effective


def _nearest(samples_NP: Tensor, points_KP: Tensor) -> Tensor:
    # argmin |x - p|^2 = argmin |p|^2 - 2 x.p
    return (points_KP.square().sum(1) - 2.0 * samples_NP @ points_KP.T).argmin(1)


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
        diversity = self._prototypes.diversity(samples.flatten(1).float())
        self._watch = self._watch.after(diversity)
        if not self._watch.rings:
            return None
        return f"its samples are {diversity:.0%} as diverse as the dataset's"

    def state_dict(self) -> dict[str, Any]:
        """Give what the alarm remembers."""
        return asdict(self._watch)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._watch = Watch(**{**state, "last": tuple(state["last"])})


def _examples(dataset: Dataset) -> Tensor:
    """Choose real samples, flattened: always the same ones."""
    stream = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(dataset), generator=stream)[:EXAMPLES]
    return dataset.scaled(dataset.samples[chosen.to(dataset.samples.device)]).flatten(1)
