"""Group commit: small writes that come at the same time share one transaction."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from ganforge.errors import GanforgeError
from ganforge_chassis.database import Database

T = TypeVar("T")

GROUP_LIMIT = 64
"""How many writes share a transaction at most."""
PATIENCE_MS = 1_000
"""How long a group waits for a lock that another server holds, before each waits for its own."""


@dataclass(eq=False, slots=True)
class _Asked:
    """A write that was asked for."""

    order: str
    work: Callable[[Connection], Any]
    durable: bool
    future: asyncio.Future[bool]
    result: Any = field(default=None)


class GroupWriter:
    """Writes in one thread what many ask for at once, and tells each once it is committed.

    What a write costs beside its own statements (a thread woken, a transaction begun and
    committed, a disk waited for) is paid once for all that came while the last group was written.
    A write that fails leaves its group and is done again alone, so that each is kept or refused as
    if it were the only one.

    Args:
        database: where it writes.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: SimpleQueue[_Asked | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="group writer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Write what was asked for, then end."""
        self._queue.put(None)
        self._thread.join()

    async def write(
        self, order: str, work: Callable[[Connection], T], *, durable: bool = True
    ) -> T:
        """Do ``work`` in a transaction, and give its result once it is committed.

        Args:
            order: writes of a group are done in this order, so that two servers lock alike.
            work: what is to be done; it may be done again after a transaction that failed, so it
                touches nothing but the database.
            durable: whether it outlives a loss of power, as in ``Database.write``.

        Raises:
            Exception: whatever ``work`` raised; nothing was written then.
        """
        future = asyncio.get_running_loop().create_future()
        asked = _Asked(order, work, durable, future)
        self._queue.put(asked)
        if await future:
            result: T = asked.result
            return result
        return await run_in_threadpool(self._write_alone, work, durable)

    def _write_alone(self, work: Callable[[Connection], T], durable: bool) -> T:
        with self._database.write(durable=durable) as connection:
            return work(connection)

    def _run(self) -> None:
        while group := self._next():
            group.sort(key=lambda asked: asked.order)
            written = group
            while written and (failed := self._try(written)) is not None:
                written = [asked for asked in written if asked not in failed]
            _tell(group, set(written))

    def _next(self) -> list[_Asked]:
        """Wait for a write, and take all that are there; none at the end."""
        asked = self._queue.get()
        group = []
        while asked is not None:
            group.append(asked)
            if len(group) == GROUP_LIMIT or self._queue.empty():
                break
            asked = self._queue.get()
        else:
            if group:
                self._queue.put(None)  # end after this one
        return group

    def _try(self, group: list[_Asked]) -> list[_Asked] | None:
        """Write a group; gives those that must leave it when nothing was written."""
        at_work: list[_Asked] = []
        try:
            durable = any(asked.durable for asked in group)
            with self._database.write(durable=durable, patience_ms=PATIENCE_MS) as connection:
                for asked in group:
                    at_work = [asked]
                    asked.result = asked.work(connection)
                at_work = group
        except GanforgeError:
            return at_work  # refused: the others may still be written together
        except Exception:
            return group  # whatever it is, it is told to the one it comes from
        return None


def _tell(group: list[_Asked], written: set[_Asked]) -> None:
    """Tell each, on its loop, whether it was written."""

    def settle() -> None:
        for asked in group:
            if not asked.future.cancelled():
                asked.future.set_result(asked in written)

    loop = group[0].future.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)
