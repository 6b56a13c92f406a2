"""How long each kind of thing is kept."""

from dataclasses import dataclass

DAY_MS = 24 * 3_600_000


@dataclass(frozen=True)
class Keeping:
    """How long each kind of thing is kept, in milliseconds; for ever where it is 0."""

    progress_ms: int
    events_ms: int
    learners_ms: int
