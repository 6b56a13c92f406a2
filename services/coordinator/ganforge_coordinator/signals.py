"""Wake-ups: who waits for a topic is told when it changes, across threads."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

QUEUE = "queue"
"""The topic of those who wait for a job to claim."""


ANY_JOB = "any job"
"""The topic of those who wait for anything of any job."""

_JOB = "job:"
_POINTS = "points:"


def of_job(job_id: str) -> str:
    """Name the topic of those who wait for what becomes of one job."""
    return f"{_JOB}{job_id}"


def points_of(job_id: str) -> str:
    """Name the topic of those who also wait for a job's progress; it comes far more often."""
    return f"{_POINTS}{job_id}"


class Waiter:
    """One that waits for a topic; made by ``Signals.waiting``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """Wake the waiter, from any thread."""
        # A loop that has closed has nobody left to wake.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    @property
    def is_woken(self) -> bool:
        """Whether the topic changed since the last wait; to be asked on the waiter's loop."""
        return self._changed.is_set()

    async def wait(self, seconds: float) -> bool:
        """Return True when the topic changed since the last call, False after ``seconds``."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout=seconds)
        except TimeoutError:
            return False
        self._changed.clear()
        return True


class Signals:
    """Wake-ups within one process.

    They only save waiting: whoever is woken looks at the database, and looks again after a while
    even when not woken, since another coordinator may have written there.
    """

    def __init__(self) -> None:
        # A stop is told from a signal handler, which may interrupt a holder of the lock.
        self._lock = threading.RLock()
        self._waiters: dict[str, set[Waiter]] = {}

    @contextmanager
    def waiting(self, *topics: str) -> Iterator[Waiter]:
        """Wait for ``topics``; entered before looking at the database, it misses no change."""
        waiter = Waiter(asyncio.get_running_loop())
        with self._lock:
            for topic in topics:
                self._waiters.setdefault(topic, set()).add(waiter)
        try:
            yield waiter
        finally:
            with self._lock:
                for topic in topics:
                    self._waiters[topic].discard(waiter)
                    if not self._waiters[topic]:
                        del self._waiters[topic]

    def notify(self, *topics: str) -> None:
        """Tell everyone who waits for one of ``topics``, and for any job when one is a job's."""
        is_of_job = any(topic.startswith((_JOB, _POINTS)) for topic in topics)
        told = (*topics, ANY_JOB) if is_of_job else topics
        with self._lock:
            waiters = [waiter for topic in told for waiter in self._waiters.get(topic, ())]
        for waiter in waiters:
            waiter.wake()

    def is_awaited(self, topic: str) -> bool:
        """Tell whether somebody waits for ``topic``."""
        with self._lock:
            return topic in self._waiters

    def awaited_jobs(self) -> set[str]:
        """Give the ids of the jobs that somebody waits for."""
        with self._lock:
            topics = list(self._waiters)
        return {topic.partition(":")[2] for topic in topics if topic.startswith((_JOB, _POINTS))}

    def notify_all(self) -> None:
        """Tell everyone, as when the service stops."""
        with self._lock:
            topics = list(self._waiters)
        self.notify(*topics)
