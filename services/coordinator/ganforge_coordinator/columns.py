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
    values = np.frombuffer(b"".join(bodies), dtype="<f4")
    before = np.cumsum(counts) - counts  # points of the bodies in front of each
    # The n-th point lies n - before points into its body, and so does its value in each column.
    place = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(before, counts)
    iterations = np.repeat(firsts, counts) + np.repeat(steps, counts) * place
    place += np.repeat(before * len(names), counts)
    stride = np.repeat(counts, counts)
    series = {name: values[place + at * stride] for at, name in enumerate(names)}
    if (offsets := series.pop(OFFSETS, None)) is not None:
        iterations = np.repeat(firsts, counts) + offsets.view("<u4")
    return Columns(iterations, {name: series[name] for name in names if name is not OFFSETS})


def join(parts: Sequence[Columns]) -> Columns:
    """Put parts one after the other; a series that a part lacks is NaN there."""
    names = list(dict.fromkeys(name for part in parts for name in part.series))
    if not parts:
        return Columns(np.empty(0, np.int64), {})

    def column(name: str) -> Floats:
        return np.concatenate(
            [part.series.get(name, np.full(len(part), np.nan, np.float32)) for part in parts]
        )

    iterations = np.concatenate([part.iterations for part in parts])
    return Columns(iterations, {name: column(name) for name in names})


def downsample(columns: Columns, max_points: int) -> Columns:
    """Keep at most ``max_points`` points, with every extreme of every series among them.

    The points are cut into equal runs; of each run the lowest and the highest point of every
    series stay, besides the very first and last: a spike of one iteration is never lost, and the
    same points always give the same answer.

    Args:
        columns: the points.
        max_points: at least 2; where it is too small for one run, the extremes of all win.
    """
    total = len(columns)
    if total <= max_points:
        return columns
    runs = max(1, (max_points - 2) // (2 * max(1, len(columns.series))))
    starts = np.linspace(0, total, runs, endpoint=False, dtype=np.int64)
    kept = [np.array([0, total - 1], dtype=np.int64)]
    for column in columns.series.values():
        kept += _extremes(column, starts)
    return columns.take(np.unique(np.concatenate(kept)))


def thin(points: Columns, width: int) -> Columns:
    """Keep of every ``width`` iterations the last point, and the extremes of every series."""
    if len(points) == 0:
        return points
    runs = points.iterations // width
    starts = np.flatnonzero(np.diff(runs, prepend=runs[0] - 1))
    kept = [np.append(starts[1:], len(points)) - 1]
    for column in points.series.values():
        kept += _extremes(column, starts)
    return points.take(np.unique(np.concatenate(kept)))


def _extremes(column: Floats, starts: Ints) -> list[Ints]:
    """Find where the lowest and the highest value of each run first stand."""
    ends = np.append(starts[1:], len(column))
    lengths = ends - starts
    finite = np.isfinite(column)
    found = []
    for fill, reduce in ((np.float32(np.inf), np.minimum), (np.float32(-np.inf), np.maximum)):
        filled = np.where(finite, column, fill)
        best = np.repeat(reduce.reduceat(filled, starts), lengths)
        hits = np.flatnonzero(filled == best)
        runs_of_hits = np.searchsorted(starts, hits, side="right") - 1
        _, first = np.unique(runs_of_hits, return_index=True)
        found.append(hits[first])
    return found


def as_json(column: Floats) -> list[float | None]:
    """Give a column as the shortest JSON numbers that say it; what is not finite becomes null."""
    values: list[float | None] = column.astype(np.str_).astype(np.float64).tolist()
    for index in np.flatnonzero(~np.isfinite(column)):
        values[index] = None
    return values
