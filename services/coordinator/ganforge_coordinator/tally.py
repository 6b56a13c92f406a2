"""What one coordinator has counted since it started, for ``/metrics``."""

from collections.abc import Iterable
from itertools import chain

from prometheus_client import Counter, Gauge, Histogram, Metric
from prometheus_client.registry import Collector

WAITS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
"""The bounds of a job's wait in seconds: claimed at once, after a rest, in a long queue."""


class Tally(Collector):
    """Counts that are this process's own; those of several coordinators add up."""

    def __init__(self) -> None:
        self.claim_wait = Histogram(
            "ganforge_claim_wait_seconds",
            "Seconds from when a job could be claimed until it was",
            buckets=WAITS,
            registry=None,
        )
        self.points = Counter(
            "ganforge_progress_points", "Points of progress that were kept", registry=None
        )
        self.expirations = Counter(
            "ganforge_lease_expirations", "Attempts ended since a lease ran out", registry=None
        )
        self.reaper_looked = Gauge(
            "ganforge_reaper_last_tick_timestamp_seconds",
            "When the leases were last looked through",
            registry=None,
        )

    def began(self, waited_ms: int) -> None:
        """Count a job that was claimed."""
        self.claim_wait.observe(max(0, waited_ms) / 1000)

    def collect(self) -> Iterable[Metric]:
        """Tell all of it."""
        told = (self.claim_wait, self.points, self.expirations, self.reaper_looked)
        return chain.from_iterable(each.collect() for each in told)
