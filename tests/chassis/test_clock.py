"""The clock that leases are measured by is the database's, and never stands still."""

from ganforge_chassis.database import Database, now

LOOKS = 10_000


def test_the_clock_goes_on_within_a_transaction(database_url: str) -> None:
    database = Database(database_url)
    with database.write() as connection:
        begun = now(connection)
        assert any(now(connection) > begun for _ in range(LOOKS))
    database.close()


def test_a_transaction_that_began_earlier_sees_no_earlier_time(database_url: str) -> None:
    database = Database(database_url)
    with database.read() as earlier:
        now(earlier)
        told = database.now_ms()
        assert now(earlier) >= told
    database.close()
