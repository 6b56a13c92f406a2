"""The progress of an attempt on its way to the coordinator, some of it kept to be sent again."""

import logging
from collections import deque

from ganforge.coordinator import CoordinatorClient
from ganforge.errors import SequenceGap
from ganforge.wire.learning import ProgressPush

logger = logging.getLogger(__name__)

KEPT = 256
"""Pushes that are kept: minutes of them, and a coordinator syncs its log every few seconds."""


class Pushes:
    """Sends pushes, one after the other; may be called again for one that may not have arrived.

    A coordinator that lost its power may have forgotten the last pushes it acknowledged. It says
    so when the next one comes, and is sent them again.

    Args:
        coordinator: told of progress.
        attempt_id: the attempt.
    """

    def __init__(self, coordinator: CoordinatorClient, attempt_id: str) -> None:
        self._coordinator = coordinator
        self._attempt_id = attempt_id
        self._kept: deque[ProgressPush] = deque(maxlen=KEPT)

    def send(self, push: ProgressPush) -> None:
        """Send a push, after those before it that the coordinator does not have any more.

        Raises:
            SequenceGap: it lacks some that are not kept.
            GanforgeError: as ``CoordinatorClient.push_progress``.
        """
        if not self._kept or self._kept[-1].seq < push.seq:
            self._kept.append(push)
        try:
            self._coordinator.push_progress(self._attempt_id, push)
        except SequenceGap as gap:
            self._send_again(gap)

    def _send_again(self, gap: SequenceGap) -> None:
        expected = int(gap.members.get("expectedSeq", -1))
        lacking = [push for push in self._kept if push.seq >= expected]
        if not lacking or lacking[0].seq != expected:
            raise gap
        logger.warning(
            "the coordinator has lost progress it had: sending it again, check its power",
            extra={"pushes": len(lacking)},
        )
        for push in lacking:
            self._coordinator.push_progress(self._attempt_id, push)
