"""A database's clock that stands still until it is moved."""

from typing import Any

from sqlalchemy import event

from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database


class FrozenClock:
    """Answers every statement of one database that asks for the time.

    The statements are those of the product, compiled as ever; on their way to the database the
    one expression that reads the clock is replaced by a number.

    Args:
        database: whose clock it is; no other database of the process notices.
        now_ms: milliseconds since 1970 to begin with.
    """

    def __init__(self, database: Database, *, now_ms: int) -> None:
        self.now_ms = now_ms
        self._clock = _said_by(database)
        event.listen(database.engine, "before_cursor_execute", self._answer, retval=True)

    def move(self, milliseconds: int) -> None:
        """Let so much time pass; less than none sets the clock back."""
        self.now_ms += milliseconds

    def _answer(
        self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> tuple[str, Any]:
        return statement.replace(self._clock, f"CAST({self.now_ms} AS BIGINT)"), parameters


def _said_by(database: Database) -> str:
    return str(now_ms().compile(dialect=database.engine.dialect))
