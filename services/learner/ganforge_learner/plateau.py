"""The plateau: where the loss falls no further, so that a job may end before its target; pure."""

from collections import deque
from collections.abc import Iterable


class Plateau:
    """Watches the loss, as DIANNE's ``minibatchLossThreshold`` does.

    The loss is level when ``loss(n - window) - loss(n) < threshold`` for points n of progress. A
    GAN's losses rise and fall; take a wide window, or leave it off.

    Args:
        threshold: how much the loss must fall at least; None never ends a job.
        window: over how many points.
        seen: the last losses, to go on from.
    """

    def __init__(
        self, threshold: float | None, window: int, seen: Iterable[float | None] = ()
    ) -> None:
        self._threshold = threshold
        self._seen = deque(seen, maxlen=window + 1)

    @property
    def is_watched(self) -> bool:
        """Whether anybody wants to know."""
        return self._threshold is not None

    @property
    def seen(self) -> list[float | None]:
        """The last losses, oldest first."""
        return list(self._seen)

    def add(self, losses: Iterable[float | None]) -> None:
        """Take in the losses of the next points."""
        if self.is_watched:
            self._seen.extend(losses)

    @property
    def is_reached(self) -> bool:
        """Whether the loss fell by less than the threshold over the window."""
        if self._threshold is None or len(self._seen) != self._seen.maxlen:
            return False
        first, last = self._seen[0], self._seen[-1]
        return first is not None and last is not None and first - last < self._threshold
