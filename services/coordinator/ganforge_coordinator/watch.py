"""Sees what other coordinators wrote to the same database, and wakes who waits for it here."""

import logging
import threading

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database
from ganforge_coordinator import signals
from ganforge_coordinator.db.models import jobs
from ganforge_coordinator.signals import Signals

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.5

Seen = tuple[tuple[str, str, str | None], int]
"""A job's state, desired state and attempt; and its last number."""


class Watch:
    """Looks at all jobs that are waited for at once, again and again, in a thread of its own.

    Were every heartbeat that waits for a command to look for itself, a thousand idle learners
    would cost more than their work. On SQLite there is no other coordinator: nothing is watched.

    Args:
        database: what is watched.
        signals: who waits, and whom to tell.
    """

    def __init__(self, database: Database, signals: Signals) -> None:
        self._database = database
        self._signals = signals
        self._seen: dict[str, Seen] = {}
        self._ready: tuple[int, int | None] | None = None  # jobs to claim: count, newest change
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begin, where others may write."""
        if not self._database.is_sqlite:
            self._thread.start()

    def stop(self) -> None:
        """End; may be called before ``start`` and more than once."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until the last look has ended; call ``stop`` first."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            try:
                self.look()
            except OperationalError:
                logger.warning("the database does not answer: check it", exc_info=True)
            except Exception:
                # Were the thread to end, no command would come through another coordinator.
                logger.exception("a bug in the watch: please report it")

    def look(self) -> None:
        """Look once, and wake those whose job has changed or was not looked at before.

        And those who wait for a job to claim, when others are ready to be claimed than before.
        """
        self._look_at_the_queue()
        awaited = self._signals.awaited_jobs()
        seen = self._read(awaited) if awaited else {}
        for job_id, (state, number) in seen.items():
            state_before, number_before = self._seen.get(job_id, (None, None))
            if state != state_before:
                self._signals.notify(signals.of_job(job_id))
            elif number != number_before:
                self._signals.notify(signals.points_of(job_id))
        self._seen = seen

    def _look_at_the_queue(self) -> None:
        if not self._signals.is_awaited(signals.QUEUE):
            self._ready = None
            return
        ready = select(func.count(), func.max(jobs.c.updated_ms)).where(
            jobs.c.state == "QUEUED", jobs.c.run_after_ms <= now_ms()
        )
        with self._database.read() as connection:
            count, newest = connection.execute(ready).one()
        if count and (count, newest) != self._ready:
            self._signals.notify(signals.QUEUE)
        self._ready = (count, newest)

    def _read(self, job_ids: set[str]) -> dict[str, Seen]:
        columns = (jobs.c.id, jobs.c.state, jobs.c.desired, jobs.c.attempt_id, jobs.c.last_seq)
        query = select(*columns).where(jobs.c.id.in_(job_ids))
        with self._database.read() as connection:
            return {
                row.id: ((row.state, row.desired, row.attempt_id), row.last_seq)
                for row in connection.execute(query)
            }
