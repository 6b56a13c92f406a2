"""Group commit: many are written together, and each is kept or refused as if it were alone."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from ganforge.errors import Conflict
from ganforge_chassis.database import Database
from ganforge_chassis.group_writer import GROUP_LIMIT, GroupWriter


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


def keeping(number: int) -> Callable[[Connection], int]:
    return lambda connection: keep(connection, number)


def kept(database: Database) -> list[int]:
    with database.read() as connection:
        return list(connection.execute(text("SELECT number FROM kept ORDER BY number")).scalars())


def test_all_that_are_asked_for_at_once_are_kept_in_few_transactions(database: Database) -> None:
    transactions: list[object] = []  # held, so that none has the identity of another

    def work(number: int) -> Callable[[Connection], int]:
        def noted(connection: Connection) -> int:
            transactions.append(connection.get_transaction())
            return keep(connection, number)

        return noted

    async def ask(writer: GroupWriter) -> list[int]:
        numbers = range(5 * GROUP_LIMIT)
        return await asyncio.gather(*(writer.write(f"{n:04}", work(n)) for n in numbers))

    with writing(database) as writer:
        assert asyncio.run(ask(writer)) == kept(database) == list(range(5 * GROUP_LIMIT))
    assert len(set(map(id, transactions))) < GROUP_LIMIT


def test_one_that_is_refused_takes_no_other_with_it(database: Database) -> None:
    def refuse(connection: Connection) -> int:
        keep(connection, -1)
        raise Conflict("not this one")

    def break_down(connection: Connection) -> int:
        keep(connection, -2)
        raise ZeroDivisionError

    async def ask(writer: GroupWriter) -> list[object]:
        asked = [writer.write(f"{number:02}", keeping(number)) for number in range(10)]
        asked.insert(3, writer.write("03", refuse))
        asked.insert(7, writer.write("06", break_down))
        return await asyncio.gather(*asked, return_exceptions=True)

    with writing(database) as writer:
        told = asyncio.run(ask(writer))
    assert [type(each) for each in told if isinstance(each, Exception)] == [
        Conflict,
        ZeroDivisionError,
    ]
    assert kept(database) == list(range(10))


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
        held_up = asyncio.create_task(writer.write("1", lambda connection: bump(connection, 1)))
        await writer.write("2", lambda connection: bump(connection, 2))
        assert 12 in kept(database)
        may_go_on.set()
        await held_up

    def bump(connection: Connection, number: int) -> None:
        moved = text("UPDATE kept SET number = number + 10 WHERE number = :number")
        connection.execute(moved, {"number": number})

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
        asked = asyncio.create_task(writer.write("a", keeping(1)))
        await asyncio.sleep(0)  # it has asked
        await asyncio.to_thread(writer.close)
        return await asked

    assert asyncio.run(ask()) == 1
    assert kept(database) == [1]
