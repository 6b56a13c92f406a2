"""The curve of a job's quality over its iterations, as the points of an SVG; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from ganforge.wire.quality import QualityNote

WIDTH, HEIGHT = 600, 120
_MARGIN = 8
_LEAST = 1e-3
"""Distances below are drawn there: their logarithm has no end."""


@dataclass(frozen=True)
class Curve:
    """A polyline, its points, and the line of the floor; y grows downwards."""

    points: tuple[tuple[float, float], ...]
    floor: float

    @property
    def line(self) -> str:
        """The points as SVG writes them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


def draw(notes: Sequence[QualityNote]) -> Curve | None:
    """Draw the Frechet classifier distance, on a logarithmic scale; None for fewer than two."""
    if len(notes) < 2:
        return None
    first, last = notes[0].iteration, notes[-1].iteration
    floor = min(note.quality.floor.fcd for note in notes)
    values = [_scaled(note.quality.fcd) for note in notes]
    low, high = min([*values, _scaled(floor)]), max([*values, _scaled(floor)])
    reach = (high - low) or 1.0

    def y(value: float) -> float:
        return HEIGHT - _MARGIN - (value - low) / reach * (HEIGHT - 2 * _MARGIN)

    def x(iteration: int) -> float:
        share = (iteration - first) / max(1, last - first)
        return _MARGIN + share * (WIDTH - 2 * _MARGIN)

    drawn = zip(notes, values, strict=True)
    return Curve(tuple((x(note.iteration), y(value)) for note, value in drawn), y(_scaled(floor)))


def _scaled(distance: float) -> float:
    return log10(max(distance, _LEAST))
