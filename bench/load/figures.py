"""Times of operations, and what became of the server meanwhile."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Figures:
    """What was measured; seconds."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    resident_mb: list[float] = field(default_factory=list)
    database_mb: list[float] = field(default_factory=list)
    cpu_share: float = 0.0  # of one core, over the whole load

    def add(self, name: str, seconds: float) -> None:
        """Note that an operation took so long."""
        self.times[name].append(seconds)

    def fail(self, name: str, why: object) -> None:
        """Note that an operation failed, and how."""
        self.errors[f"{name}: {why}"] += 1

    def told(self) -> dict[str, object]:
        """Give all of it as JSON."""
        return {
            "milliseconds": {name: quantiles(times) for name, times in sorted(self.times.items())},
            "errors": dict(self.errors),
            "resident_mb": [round(mb, 1) for mb in self.resident_mb],
            "database_mb": [round(mb, 1) for mb in self.database_mb],
            "cpu_share": round(self.cpu_share, 2),
        }


def quantiles(times: list[float]) -> dict[str, float]:
    """Give count, median, 95th and 99th percentile and maximum, in milliseconds."""
    ms = 1000 * np.array(times)
    p50, p95, p99 = np.percentile(ms, [50, 95, 99])
    told = {"p50": p50, "p95": p95, "p99": p99, "max": ms.max()}
    return {"count": len(times), **{name: round(float(value), 1) for name, value in told.items()}}
