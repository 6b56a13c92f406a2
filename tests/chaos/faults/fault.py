"""What a fault is, and what every job must do that survives one."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.ground import Ground

UNSCALED = 10.0
"""Seconds for what no lease sets: processes that start, clients that try again."""


@dataclass(frozen=True)
class Fault:
    """One way to break things.

    Args:
        name: what it is.
        try_it: breaks, waits until the job goes on, checks; gives the seconds that took.
        seconds: how long that may take on an idle machine, besides
        leases: so many leases.
        database: the one kind it is about.
    """

    name: str
    try_it: Callable[[Ground], float]
    seconds: float = UNSCALED
    leases: float = 0.0
    database: str = ""

    def bound_seconds(self, ground: Ground) -> float:
        """Say how long it may take there."""
        return self.seconds + self.leases * ground.lease_seconds


FAULTS: list[Fault] = []


def fault(
    name: str, *, seconds: float = UNSCALED, leases: float = 0.0, database: str = ""
) -> Callable[[Callable[[Ground], float]], Callable[[Ground], float]]:
    """Enter a function among the faults."""

    def enter(try_it: Callable[[Ground], float]) -> Callable[[Ground], float]:
        FAULTS.append(Fault(name, try_it, seconds, leases, database))
        return try_it

    return enter


def survive(ground: Ground, job_id: str, *, attempts: int) -> float:
    """Wait until the job goes on, end it, and check how many attempts it took."""
    seconds = ground.until_it_goes_on(job_id, attempts=attempts)
    check_attempts(ground, job_id, attempts)
    return seconds


def check_attempts(ground: Ground, job_id: str, attempts: int) -> None:
    """End the job, and check how many attempts it took."""
    done = ground.finish(job_id)
    # A lease that the dead one's last claim was given is taken back when nobody acknowledges it.
    begun = [attempt for attempt in done.attempts if attempt.end_reason != "unacknowledged"]
    if ground.counts_attempts:
        assert len(begun) == attempts, [str(attempt) for attempt in done.attempts]
