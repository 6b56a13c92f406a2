"""Group commit: small writes that come at the same time share one transaction."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from ganforge_chassis.database import Database

T = TypeVar("T")
Item = TypeVar("Item")

GROUP_LIMIT = 64
"""How many writes share a transaction at most."""
PATIENCE_MS = 1_000
"""How long a group waits for a lock that another server holds, before each waits for its own."""


@dataclass(frozen=True)
class Batch(Generic[Item, T]):
    """A kind of write of which many are done by as few statements as one."""

    together: Callable[[Connection, Sequence[Item]], Sequence[T | None]]
    """Does many; gives None for one that was not done, and is to be done alone."""
    alone: Callable[[Connection, Item], T]
    """Does one; raises what its caller is told. Both may be called again after a failure."""
    durable: bool = True
    """Whether they outlive a loss of power, as in ``Database.write``."""


def one_by_one(work: Callable[[Connection, Item], T]) -> Batch[Item, T]:
    """Make a batch of durable writes that share no more than their transaction."""

    def together(connection: Connection, items: Sequence[Item]) -> list[T | None]:
        return [work(connection, item) for item in items]

    return Batch(together, work)


@dataclass(eq=False, slots=True)
class _Asked:
    """A write that was asked for."""

    batch: Batch[Any, Any]
    item: Any
    future: asyncio.Future[bool]
    result: Any = field(default=None)


class GroupWriter:
    """Writes in one thread what many ask for at once, and tells each once it is committed.

    What a write costs beside its own rows (a thread woken, a transaction begun and committed,
    statements made and planned, a disk waited for) is paid once for all of a kind that came while
    the last group was written. When a group fails each of it is done again alone, so that each is
    kept or refused as if it were the only one.

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

    async def write(self, batch: Batch[Item, T], item: Item) -> T:
        """Write an item in a transaction, and give its result once it is committed.

        Raises:
            Exception: whatever ``batch.alone`` raised; nothing was written then.
        """
        future = asyncio.get_running_loop().create_future()
        asked = _Asked(batch, item, future)
        self._queue.put(asked)
        if await future:
            result: T = asked.result
            return result
        return await run_in_threadpool(self._write_alone, batch, item)

    def _write_alone(self, batch: Batch[Item, T], item: Item) -> T:
        with self._database.write(durable=batch.durable) as connection:
            return batch.alone(connection, item)

    def _run(self) -> None:
        while group := self._next():
            for batch in dict.fromkeys(asked.batch for asked in group):
                alike = [asked for asked in group if asked.batch is batch]
                self._try(batch, alike)
                _tell(alike)

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

    def _try(self, batch: Batch[Any, Any], group: list[_Asked]) -> None:
        """Write a group; none of it has a result when nothing was written."""
        try:
            with self._database.write(durable=batch.durable, patience_ms=PATIENCE_MS) as connection:
                items = [asked.item for asked in group]
                results = batch.together(connection, items)
        except Exception:
            return  # whatever it is, it is told to the one it comes from
        for asked, result in zip(group, results, strict=True):
            asked.result = result


def _tell(group: list[_Asked]) -> None:
    """Tell each, on its loop, whether it was written."""

    def settle() -> None:
        for asked in group:
            if not asked.future.cancelled():
                asked.future.set_result(asked.result is not None)

    loop = group[0].future.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)
