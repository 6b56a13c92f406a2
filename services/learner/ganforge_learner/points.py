"""Progress on its way out: gathered on the device, read seldom, checked for NaN."""

import math
from collections.abc import Iterator

import torch

from ganforge.errors import Diverged
from ganforge_learner.messages import Points
from ganforge_learner.strategy import LearnProgress

LOSS = "minibatchLoss"
MAX_POINTS = 4096


class PointBuffer:
    """Gathers the LearnProgress of consecutive iterations without waiting for the device.

    Args:
        interval: every how many iterations a point is told; all are checked.
    """

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._gathered: list[LearnProgress] = []
        self.latest: dict[str, float | None] = {}

    def add(self, progress: LearnProgress) -> None:
        """Gather the progress of the next iteration."""
        self._gathered.append(progress)

    @property
    def is_full(self) -> bool:
        """Whether it should be emptied now."""
        return len(self._gathered) >= MAX_POINTS

    def drain(self, iterations_per_second: float | None) -> Iterator[Points]:
        """Read what was gathered from the device, once, and give it as points.

        Raises:
            Diverged: a loss is NaN or infinite; the points before it were given.
        """
        gathered, self._gathered = self._gathered, []
        if not gathered:
            return
        columns = _columns(gathered)
        broken = _first_broken(columns)
        iterations = [progress.iteration for progress in gathered]
        good = len(gathered) if broken is None else broken
        if good:
            self.latest = {name: column[good - 1] for name, column in columns.items()}
        told = [at for at in range(good) if iterations[at] % self._interval == 0]
        if told:
            yield Points(
                first=iterations[told[0]],
                step=self._interval,
                series={name: [column[at] for at in told] for name, column in columns.items()},
                iterations_per_second=iterations_per_second,
            )
        if broken is not None:
            raise _diverged(columns, broken, iterations[broken])


def _columns(gathered: list[LearnProgress]) -> dict[str, list[float]]:
    """Read one column per loss; one transfer from the device for each."""
    columns = {LOSS: [progress.minibatch_loss for progress in gathered]}
    for name in gathered[0].extra:
        columns[name] = [progress.extra[name] for progress in gathered]
    return {name: _read(column) for name, column in columns.items()}


def _read(column: list[float | torch.Tensor]) -> list[float]:
    if all(isinstance(value, torch.Tensor) for value in column):
        stacked = torch.stack([torch.as_tensor(value).detach() for value in column])
        read: list[float] = stacked.to(torch.float64).cpu().tolist()
        return read
    return [float(value.detach() if isinstance(value, torch.Tensor) else value) for value in column]


def _first_broken(columns: dict[str, list[float]]) -> int | None:
    broken = [
        at
        for column in columns.values()
        for at, value in enumerate(column)
        if not math.isfinite(value)
    ]
    return min(broken, default=None)


def _diverged(columns: dict[str, list[float]], at: int, iteration: int) -> Diverged:
    told = ", ".join(f"{name}={column[at]}" for name, column in columns.items())
    return Diverged(
        f"a loss is not finite at iteration {iteration} ({told}): "
        "lower learningRate; the last good snapshot is kept",
        iteration=iteration,
    )
