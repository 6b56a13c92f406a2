"""Group commit: many are written together, and each is kept or refused as if it were alone."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from ganforge.errors import Conflict
from ganforge_chassis.database import Database
from ganforge_chassis.group_writer import GROUP_LIMIT, Batch, GroupWriter, one_by_one


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE kept (number INTEGER PRIMARY KEY)"))
    yield database
    database.close()


@contextmanager
def writing(database: Database) -> Iterator[GroupWriter]:
    writer = GroupWriter(database)
    writer.start()
    try:
        yield writer
    finally:
        writer.close()


def keep(connection: Connection, number: int) -> int:
    connection.execute(text("INSERT INTO kept VALUES (:number)"), {"number": number})
    return number


KEEPING = one_by_one(keep)


def kept(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(text("SELECT number FROM kept ORDER BY number")).scalars())


def test_all_that_are_asked_for_at_once_are_kept_in_few_transactions(database: Database) -> None:
    groups: list[int] = []

    def keep_all(connection: Connection, numbers: Sequence[int]) -> list[int]:
        groups.append(len(numbers))
        return [keep(connection, number) for number in numbers]

    together = Batch(keep_all, keep)

    async def ask(writer: GroupWriter) -> list[int]:
        numbers = range(5 * GROUP_LIMIT)
        return await asyncio.gather(*(writer.write(together, n) for n in numbers))

    with writing(database) as writer:
        assert asyncio.run(ask(writer)) == kept(database) == list(range(5 * GROUP_LIMIT))
    assert sum(groups) == 5 * GROUP_LIMIT
    assert len(groups) < GROUP_LIMIT


def test_one_that_is_refused_takes_no_other_with_it(database: Database) -> None:
    def keep_or_refuse(connection: Connection, number: int) -> int:
        keep(connection, number)
        if number == 3:
            raise Conflict("not this one")
        return 10 // (number - 6)

    both = one_by_one(keep_or_refuse)

    async def ask(writer: GroupWriter) -> list[object]:
        asked = [writer.write(both, number) for number in range(10)]
        return await asyncio.gather(*asked, return_exceptions=True)

    with writing(database) as writer:
        told = asyncio.run(ask(writer))
    assert [type(each) for each in told if isinstance(each, Exception)] == [
        Conflict,
        ZeroDivisionError,
    ]
    assert kept(database) == [0, 1, 2, 4, 5, 7, 8, 9]


def test_what_a_group_leaves_out_is_done_alone(database: Database) -> None:
    def keep_even_ones(connection: Connection, numbers: Sequence[int]) -> list[int | None]:
        return [keep(connection, n) if n % 2 == 0 else None for n in numbers]

    def keep_negative(connection: Connection, number: int) -> int:
        return keep(connection, -number)

    halves = Batch(keep_even_ones, keep_negative)

    async def ask(writer: GroupWriter) -> list[int]:
        return await asyncio.gather(*(writer.write(halves, n) for n in range(6)))

    with writing(database) as writer:
        assert asyncio.run(ask(writer)) == [0, -1, 2, -3, 4, -5]
    assert kept(database) == [-5, -3, -1, 0, 2, 4]


def test_a_row_that_somebody_has_locked_holds_up_nobody_else(database: Database) -> None:
    with database.write() as connection:
        for number in (1, 2):
            keep(connection, number)
    is_locked, may_go_on = threading.Event(), threading.Event()

    def lock() -> None:
        with database.write() as connection:
            connection.execute(text("UPDATE kept SET number = 11 WHERE number = 1"))
            is_locked.set()
            if not database.is_sqlite:  # where all writers wait for each other anyway
                may_go_on.wait()

    async def ask(writer: GroupWriter) -> None:
        held_up = asyncio.create_task(writer.write(bumping, 1))
        await writer.write(bumping, 2)
        assert 12 in kept(database)
        may_go_on.set()
        await held_up

    def bump(connection: Connection, number: int) -> int:
        moved = text("UPDATE kept SET number = number + 10 WHERE number = :number")
        connection.execute(moved, {"number": number})
        return number + 10

    bumping = one_by_one(bump)
    locking = threading.Thread(target=lock)
    locking.start()
    is_locked.wait()
    with writing(database) as writer:
        asyncio.run(ask(writer))
    locking.join()
    assert kept(database) == [11, 12]


def test_what_was_asked_for_before_the_end_is_written(database: Database) -> None:
    async def ask() -> int:
        writer = GroupWriter(database)
        writer.start()
        asked = asyncio.create_task(writer.write(KEEPING, 1))
        await asyncio.sleep(0)  # it has asked
        await asyncio.to_thread(writer.close)
        return await asked

    assert asyncio.run(ask()) == 1
    assert kept(database) == [1]
