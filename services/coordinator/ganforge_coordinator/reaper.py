"""Counts the time, and ends leases that ran out or stalled, in a thread of its own."""

import logging
import random
import threading
import time

from sqlalchemy.exc import OperationalError

from ganforge_chassis.database import Database
from ganforge_coordinator import amnesty, lease, signals
from ganforge_coordinator.signals import Signals
from ganforge_coordinator.tally import Tally

logger = logging.getLogger(__name__)

SILENT_SECONDS = 5.0
MARK_SECONDS = 1.0
"""How often the time is marked, well within ``amnesty.GAP_MS``."""


class Reaper:
    """Marks the time and looks for what to end again and again, until it is stopped.

    Args:
        database: where the leases are.
        signals: told of every job that changed.
        tally: told of every look, and of the leases that ran out.
        seconds: how long to wait between two looks for leases, give or take a tenth.
    """

    def __init__(
        self, database: Database, signals: Signals, *, tally: Tally, seconds: float
    ) -> None:
        self._database = database
        self._tally = tally
        self._signals = signals
        self._seconds = seconds
        self._dice = random.Random()  # its own: the global one may be seeded by whoever runs us
        self._stopping = threading.Event()
        self._looked = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def start(self) -> None:
        """Forgive the time that nobody counted, before any learner asks; then begin."""
        self._mark_time()
        self._thread.start()

    def stop(self) -> None:
        """End; may be called before ``start`` and more than once."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until the last look has ended; call ``stop`` first."""
        if self._thread.ident is not None:
            self._thread.join()

    def complaint(self) -> str | None:
        """Say that no look has succeeded for a while; None when one has."""
        silent_seconds = time.monotonic() - self._looked
        if silent_seconds < max(SILENT_SECONDS, 3 * self._seconds):
            return None
        return f"no look at the leases has succeeded for {silent_seconds:.0f} s"

    def _run(self) -> None:
        pause = min(self._seconds, MARK_SECONDS)
        due = time.monotonic() + self._seconds
        while not self._stopping.wait(pause * self._dice.uniform(0.9, 1.1)):
            try:
                self._mark_time()
                if time.monotonic() >= due - pause / 2:
                    due = time.monotonic() + self._seconds
                    self._look()
                    self._looked = time.monotonic()
            except OperationalError:
                logger.warning("the reaper cannot reach the database: check it", exc_info=True)
            except Exception:
                # Were the thread to end, no lease would ever expire again.
                logger.exception("a bug in the reaper: please report it")

    def _mark_time(self) -> None:
        with self._database.write(durable=False) as connection:
            gap_ms = amnesty.mark_time(connection)
        if gap_ms:
            logger.warning(
                "nobody counted the time for a while: every lease begins anew",
                extra={"gap_seconds": gap_ms / 1000},
            )

    def _look(self) -> None:
        with self._database.write() as connection:
            expired = lease.reap(connection)
        with self._database.write() as connection:
            stalled = lease.end_stalled(connection)
        self._tally.expirations.inc(len(expired))
        self._tally.reaper_looked.set_to_current_time()
        for job_id in expired:
            logger.warning("a lease ran out: check its learner", extra={"job_id": job_id})
        for job_id in stalled:
            logger.warning("a trainer gets nowhere: its attempt ends", extra={"job_id": job_id})
        if changed := [*expired, *stalled]:
            self._signals.notify(signals.QUEUE, *map(signals.of_job, changed))
