"""Statements that several use-cases need."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless a unique key forbids it; tell whether it was inserted.

    A racing transaction that inserts the same key is waited for.
    """
    insert = (
        sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    )
    # The row itself tells: the row count of an INSERT is not kept by every driver.
    statement = insert.values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement).first() is not None


def moment(milliseconds: int) -> datetime:
    """Turn a time of the database, in milliseconds since 1970, into a UTC time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
