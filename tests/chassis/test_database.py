"""Transactions that need not outlive a loss of power are kept like any other until then."""

from pathlib import Path

from sqlalchemy import text

from ganforge_chassis.database import Database
from tests.support.postgres import PostgresServer

FULL, NORMAL = 2, 1


def test_on_sqlite_each_transaction_is_as_durable_as_it_asks_to_be(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    with database.write() as connection:
        connection.execute(text("CREATE TABLE kept (number INTEGER)"))
    for durable, level in ((False, NORMAL), (True, FULL), (True, FULL), (False, NORMAL)):
        with database.write(durable=durable) as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == level
            connection.execute(text("INSERT INTO kept VALUES (1)"))
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM kept")).scalar() == 4
    database.close()


def test_on_postgresql_too_and_the_next_transaction_is_durable_again(
    postgres_server: PostgresServer,
) -> None:
    database = Database(postgres_server.new_database())
    for durable, level in ((False, "off"), (True, "on"), (False, "off"), (True, "on")):
        with database.write(durable=durable) as connection:
            assert connection.execute(text("SHOW synchronous_commit")).scalar() == level
    database.close()
