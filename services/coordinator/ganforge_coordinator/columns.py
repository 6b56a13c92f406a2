"""Points of progress as packed columns, and what a chart needs of them; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


OFFSETS = None
"""Stands for a name, which no learner can send: of a first column that says the iterations."""


@dataclass(frozen=True)
class Columns:
    """Points of progress: every column is as long as ``iterations``; NaN where there is none."""

    iterations: Ints
    series: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.iterations)

    def column(self, name: str) -> Floats:
        """Give a series; one that there is not is NaN throughout."""
        found = self.series.get(name)
        return np.full(len(self), np.nan, np.float32) if found is None else found

    def take(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> "Columns":
        """Keep the points that ``index`` names."""
        kept = {name: column[index] for name, column in self.series.items()}
        return Columns(self.iterations[index], kept)


def pack(series: Mapping[str, Sequence[float | None]]) -> bytes:
    """Pack columns of equal length as float32, little-endian, one after the other."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        return np.array(list(series.values()), dtype="<f4").tobytes()


def pack_scattered(points: Columns) -> tuple[list[str | None], bytes]:
    """Pack points whose iterations are not evenly spaced, and give the names of all columns.

    Raises:
        ValueError: the iterations span 2^32 or more.
    """
    offsets = points.iterations - points.iterations[0]
    if offsets[-1] >= 2**32:
        raise ValueError("iterations that span 2^32 do not fit")
    # Whole numbers in the place of floats: they are copied, never calculated with.
    whole = [offsets.astype("<u4").view("<f4"), *points.series.values()]
    return [OFFSETS, *points.series], np.concatenate(whole).astype("<f4", copy=False).tobytes()


def unpack(
    bodies: Sequence[bytes], names: Sequence[str | None], firsts: Ints, steps: Ints, counts: Ints
) -> Columns:
    """Unpack what ``pack`` packed, all of it at once: 10,000 bodies are no loop of 10,000.

    Args:
        bodies: packed columns of the same series.
        names: the series.
        firsts: of each body its first iteration; those are ``first, first + step, ...``.
        steps: of each body how far its iterations are apart; no matter where it has ``OFFSETS``.
        counts: of each body how many points it has.
    """
    rows = dict(zip(names, _side_by_side(bodies, len(names), counts), strict=True))
    if (offsets := rows.pop(OFFSETS, None)) is not None:
        iterations = np.repeat(firsts, counts) + offsets.view("<u4")
    else:
        before = np.cumsum(counts) - counts  # points of the bodies in front of each
        # The n-th point lies n - before points into its body.
        iterations = np.repeat(firsts - steps * before, counts)
        iterations += np.repeat(steps, counts) * np.arange(len(iterations), dtype=np.int64)
    return Columns(iterations, {name: row for name, row in rows.items() if name is not None})


def _side_by_side(bodies: Sequence[bytes], width: int, counts: Ints) -> npt.NDArray[np.float32]:
    """Give each of the ``width`` columns that the bodies have as one row."""
    if (counts == counts[0]).all():  # as most are: no view of each is made
        values = np.frombuffer(b"".join(bodies), dtype="<f4")
        return values.reshape(len(bodies), width, -1).transpose(1, 0, 2).reshape(width, -1)
    each = [np.frombuffer(body, dtype="<f4").reshape(width, -1) for body in bodies]
    return np.concatenate(each, axis=1)


def join(parts: Sequence[Columns]) -> Columns:
    """Put parts one after the other; a series that a part lacks is NaN there."""
    names = list(dict.fromkeys(name for part in parts for name in part.series))
    if not parts:
        return Columns(np.empty(0, np.int64), {})

    def column(name: str) -> Floats:
        return np.concatenate([part.column(name) for part in parts])

    iterations = np.concatenate([part.iterations for part in parts])
    return Columns(iterations, {name: column(name) for name in names})


def downsample(parts: Sequence[Columns], max_points: int) -> Columns:
    """Keep at most ``max_points`` points, with every extreme of every series among them.

    The points are cut into equal runs; of each run the lowest and the highest point of every
    series stay, besides the very first and last: a spike of one iteration is never lost, and the
    same points always give the same answer, whatever parts they come in.

    Args:
        parts: the points, one part after the other.
        max_points: at least 2; where it is too small for one run, the extremes of all win.
    """
    total = sum(map(len, parts))
    if total <= max_points:
        return join(parts)
    width = len({name for part in parts for name in part.series})
    runs = max(1, (max_points - 2) // (2 * max(1, width)))
    starts = np.linspace(0, total, runs, endpoint=False, dtype=np.int64)
    # What is extreme in its run is so in its part of the run: no part is copied to find it.
    places, some = _picked(parts, starts)
    kept = _extreme_places(some, np.searchsorted(places, starts))
    return some.take(np.unique([0, len(some) - 1, *kept]))


def _picked(parts: Sequence[Columns], starts: Ints) -> tuple[Ints, Columns]:
    """Pick of each part both ends and the extremes of each run; tells which points they are."""
    before, places, few = 0, [], []
    for part in filter(len, parts):
        within = starts[(starts > before) & (starts < before + len(part))] - before
        kept = _extreme_places(part, np.insert(within, 0, 0))
        place = np.unique([0, len(part) - 1, *kept])
        few.append(part.take(place))
        places.append(place + before)
        before += len(part)
    return np.concatenate(places), join(few)


def thin(points: Columns, width: int) -> Columns:
    """Keep of every ``width`` iterations the last point, and the extremes of every series."""
    if len(points) == 0:
        return points
    runs = points.iterations // width
    starts = np.flatnonzero(np.diff(runs, prepend=runs[0] - 1))
    last = np.append(starts[1:], len(points)) - 1
    return points.take(np.unique([*last, *_extreme_places(points, starts)]))


def _extreme_places(points: Columns, starts: Ints) -> list[int]:
    """Find where each series first is lowest and highest in each run."""
    ends = [*starts[1:].tolist(), len(points)]
    runs = [slice(*run) for run in zip(starts.tolist(), ends, strict=True)]
    return [place for column in points.series.values() for place in _extremes(column, runs)]


def _extremes(column: Floats, runs: Sequence[slice]) -> list[int]:
    finite = np.isfinite(column)
    low = high = column
    if not finite.all():
        low, high = (np.where(finite, column, np.float32(fill)) for fill in (np.inf, -np.inf))
    # A look at each run: a processor finds the lowest of thousands in no time.
    found = [run.start + int(low[run].argmin()) for run in runs]
    return found + [run.start + int(high[run].argmax()) for run in runs]


def as_json(column: Floats) -> list[float | None]:
    """Give a column as the shortest JSON numbers that say it; what is not finite becomes null."""
    values: list[float | None] = column.astype(np.str_).astype(np.float64).tolist()
    for index in np.flatnonzero(~np.isfinite(column)):
        values[index] = None
    return values
