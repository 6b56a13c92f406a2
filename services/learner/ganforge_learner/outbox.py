"""What must reach a server, in order, however long the server is away."""

import logging
import queue
import random
import threading
from collections.abc import Callable
from typing import TypeVar

from ganforge.errors import GanforgeError, ServerFailed, Unreachable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LONGEST_PAUSE_SECONDS = 5.0


class Over(Exception):
    """The attempt is over: what had not been sent is not sent any more."""


def persist(call: Callable[[], Result], over: threading.Event) -> Result:
    """Call again and again while the server is away or failing, with growing pauses.

    Raises:
        Over: the attempt ended meanwhile.
        GanforgeError: the server answered, and the answer is no.
    """
    pause = 0.2
    while not over.is_set():
        try:
            return call()
        except (Unreachable, ServerFailed) as error:
            logger.warning("a server is away, trying again", extra={"why": error.detail})
        over.wait(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    raise Over


class Outbox:
    """Sends one thing after the other, in a thread of its own.

    Args:
        name: for the log.
        over: when set, the outbox closes and drops what it holds.
        on_error: told of an answer that is no; the outbox closes then.
    """

    def __init__(
        self, name: str, over: threading.Event, on_error: Callable[[GanforgeError], None]
    ) -> None:
        self._over = over
        self._on_error = on_error
        self._queue: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._progress = threading.Condition()
        self._put = 0
        self._sent = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, call: Callable[[], object]) -> int:
        """Send by ``call`` after all that was put before; gives a ticket to wait by."""
        self._queue.put(call)
        self._put += 1
        return self._put

    @property
    def is_empty(self) -> bool:
        """Whether all that was put has been sent."""
        return self._sent == self._put

    def wait(self, ticket: int | None = None) -> None:
        """Wait until what the ticket stands for was sent; without one, until all was.

        Raises:
            Over: the attempt ended first.
        """
        wanted = self._put if ticket is None else ticket
        with self._progress:
            while self._sent < wanted:
                if self._over.is_set():
                    raise Over
                self._progress.wait(0.1)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                call = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            try:
                persist(call, self._over)
            except Over:
                return
            except GanforgeError as error:
                self._on_error(error)
                return
            except Exception as error:  # else whoever waits would wait for ever
                logger.exception("what was to be sent could not be: report this")
                self._on_error(GanforgeError(f"{type(error).__name__}: {error}"))
                return
            with self._progress:
                self._sent += 1
                self._progress.notify_all()
