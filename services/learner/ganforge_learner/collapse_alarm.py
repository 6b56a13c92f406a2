"""The collapse alarm: looks at samples now and then, and says when they have become all alike."""

from typing import Protocol

from torch import Tensor

LOOK_INTERVAL = 100
"""Iterations between two looks."""


class CollapseAlarm(Protocol):
    """Says in words when a generator has collapsed."""

    def look(self, samples: Tensor, iteration: int) -> str | None:
        """Look at samples drawn from latents that stay the same for the whole job.

        Args:
            samples: shape (N, *sample shape), in the dataset's range of values.
            iteration: iterations done.

        Returns:
            What has collapsed and how that shows; None while all is well.
        """
