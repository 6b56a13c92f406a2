"""Carries out retention, in a thread of its own."""

import logging
import random
import threading
from collections import Counter as Tally

import prometheus_client
from sqlalchemy.exc import OperationalError

from ganforge_chassis.database import Database
from ganforge_coordinator import retention
from ganforge_coordinator.keeping import Keeping

logger = logging.getLogger(__name__)

FIRST_ROUND_SECONDS = 60.0
FREE_PAGES_AT_ONCE = 500
REST_SECONDS = 0.05
"""How long others have the database for themselves after each batch."""


class Janitor:
    """Makes a round again and again: retires what is kept no longer, until it is stopped.

    Args:
        database: what is looked after.
        keeping: how long what is kept.
        seconds: how long to wait between two rounds, give or take a tenth; 0 makes none.
    """

    def __init__(self, database: Database, keeping: Keeping, *, seconds: float) -> None:
        self._database = database
        self._keeping = keeping
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="janitor", daemon=True)
        self.retired = prometheus_client.Counter(
            "ganforge_retired", "Rows that were kept long enough", ("kind",), registry=None
        )

    def start(self) -> None:
        """Begin, where rounds are wanted."""
        if self._seconds:
            self._thread.start()

    def stop(self) -> None:
        """End; may be called before ``start`` and more than once."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until the batch in hand is done; call ``stop`` first."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        dice = random.Random()  # its own: the global one may be seeded by whoever runs us
        # Soon after the start: one that is started anew every day has to tidy up too.
        rest = min(FIRST_ROUND_SECONDS, self._seconds)
        while not self._stopping.wait(rest * dice.uniform(0.9, 1.1)):
            try:
                self.make_round()
            except OperationalError:
                logger.warning("the janitor cannot reach the database: check it", exc_info=True)
            except Exception:
                logger.exception("a bug in the janitor: please report it")
            rest = self._seconds

    def make_round(self) -> dict[str, int]:
        """Retire all that is due, a batch at a time; gives how many rows of each kind."""
        total = Tally({kind.name: 0 for kind in retention.KINDS})
        while not self._stopping.is_set():
            batch = retention.retire_some(self._database, self._keeping)
            if not any(batch.values()):
                break
            total.update(batch)
            for kind, count in batch.items():
                self.retired.labels(kind).inc(count)
            self._stopping.wait(REST_SECONDS)
        if any(total.values()):
            logger.info("retired what was kept long enough", extra=dict(total))
        # Also without: the round before may have been stopped.
        while not self._stopping.is_set() and self._database.give_back(FREE_PAGES_AT_ONCE):
            self._stopping.wait(REST_SECONDS)
        return dict(total)
