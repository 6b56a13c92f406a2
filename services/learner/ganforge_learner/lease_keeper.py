"""Keeps a lease alive, and knows when it is in doubt or lost."""

import logging
import random
import threading
import time
from collections.abc import Callable

from ganforge.coordinator import CoordinatorClient
from ganforge.errors import GanforgeError, ServerFailed, Unreachable
from ganforge.wire.learning import Assignment, Command, Heartbeat

logger = logging.getLogger(__name__)

FENCE_SHARE = 1 / 6
"""The last share of a lease in which a learner without an answer holds still."""


class LeaseKeeper:
    """Beats in a thread of its own, from another process than the one that trains.

    Time is measured from when an acknowledged heartbeat was *sent*, on this machine's monotonic
    clock: a slow network makes the learner more careful, and nobody's wall clock matters.

    Args:
        coordinator: whom to beat to.
        assignment: the lease.
        heartbeat_seconds: how long one heartbeat may hang to wait for a command.
        over: set by whoever ends the attempt; ends the keeper.
        is_waiting: tells whether the attempt waits for something else than its trainer.
        on_command: told of every new command.
        on_doubt: told True when the lease may have run out, False when it has not.
        on_lost: told why when the lease is lost.
    """

    def __init__(
        self,
        coordinator: CoordinatorClient,
        assignment: Assignment,
        *,
        heartbeat_seconds: float,
        over: threading.Event,
        is_waiting: Callable[[], bool] = lambda: False,
        on_command: Callable[[Command], None],
        on_doubt: Callable[[bool], None],
        on_lost: Callable[[GanforgeError], None],
    ) -> None:
        self._coordinator = coordinator
        self._assignment = assignment
        self._heartbeat_seconds = heartbeat_seconds
        self._over = over
        self._is_waiting = is_waiting
        self._on_command = on_command
        self._on_doubt = on_doubt
        self._on_lost = on_lost
        self._command = Command.RUN
        self._in_doubt = False
        self._fence_at = time.monotonic() + assignment.lease_seconds * (1 - FENCE_SHARE)
        self.iteration = 0
        self.resume_iteration = 0
        self.started = False
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def tell_started(self, resume_iteration: int) -> None:
        """Tell the coordinator at once that the trainer runs; later beats repeat it."""
        self.started = True
        self.resume_iteration = self.iteration = resume_iteration
        try:
            self._beat(wait_seconds=0.0)
        except (Unreachable, ServerFailed):
            logger.info("the coordinator is away; the next heartbeat tells that training began")
        except GanforgeError as error:
            self._on_lost(error)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._beat(wait_seconds=self._heartbeat_seconds)
            except (Unreachable, ServerFailed) as error:
                self._miss(error)
            except GanforgeError as error:
                if not self._over.is_set():
                    self._on_lost(error)
                return

    def _beat(self, *, wait_seconds: float) -> None:
        sent = time.monotonic()
        beat = Heartbeat(
            rank=self._assignment.rank,
            iteration=self.iteration,
            started=self.started,
            waiting=self._in_doubt or self._is_waiting(),
            resume_iteration=self.resume_iteration,
            command_seen=self._command,
        )
        reply = self._coordinator.heartbeat(
            self._assignment.attempt_id, beat, wait_seconds=wait_seconds
        )
        # An answer may come after that of a beat sent later: the fence never goes back for it.
        self._fence_at = max(self._fence_at, sent + reply.lease_seconds * (1 - FENCE_SHARE))
        self._doubt(False)
        if reply.command != self._command and not self._over.is_set():
            self._command = reply.command
            self._on_command(reply.command)

    def _miss(self, error: GanforgeError) -> None:
        logger.warning("a heartbeat failed, trying again", extra={"why": error.detail})
        self._over.wait(random.uniform(0.2, 1.0))
        self._doubt(time.monotonic() > self._fence_at)

    def _doubt(self, in_doubt: bool) -> None:
        if in_doubt != self._in_doubt:
            self._in_doubt = in_doubt
            self._on_doubt(in_doubt)
