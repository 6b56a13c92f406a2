"""One look at the queue for all who wait for a job."""

import asyncio

from starlette.concurrency import run_in_threadpool

from ganforge_chassis.database import Database
from ganforge_coordinator import dispatch


class QueueLook:
    """Tells whether any job waits; a hundred learners that are woken at once share one look.

    Args:
        database: where the queue is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._in_hand: asyncio.Task[bool] | None = None
        self._next: asyncio.Task[bool] | None = None

    async def has_any(self) -> bool:
        """Tell whether a job waits that may begin now; the look begins after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._look(self._in_hand))
        return await asyncio.shield(self._next)

    async def _look(self, before: asyncio.Task[bool] | None) -> bool:
        if before is not None:
            await asyncio.wait([before])
        self._in_hand, self._next = self._next, None
        return await run_in_threadpool(self._read)

    def _read(self) -> bool:
        with self._database.read() as connection:
            return dispatch.is_any_queued(connection)
