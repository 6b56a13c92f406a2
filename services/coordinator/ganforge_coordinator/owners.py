"""Whose learners and attempts are: the principal whose token a learner registered with."""

from sqlalchemy import select

from ganforge_chassis.database import Database
from ganforge_coordinator.db.models import attempt_members, learners

REMEMBERED = 10_000


class Owners:
    """Knows whose an attempt is; its learners are settled when it begins, so it may be remembered.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_attempts: dict[str, frozenset[str | None]] = {}

    def of_learner(self, learner_id: str) -> frozenset[str | None]:
        """Give a learner's principal; none at all when there is no such learner."""
        query = select(learners.c.principal).where(learners.c.id == learner_id)
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def remembered(self, attempt_id: str) -> frozenset[str | None] | None:
        """Give the principals of an attempt when they are known without asking."""
        return self._of_attempts.get(attempt_id)

    def of_attempt(self, attempt_id: str) -> frozenset[str | None]:
        """Give the principals of an attempt's learners; none when there is no such attempt."""
        query = (
            select(learners.c.principal)
            .join(attempt_members, attempt_members.c.learner_id == learners.c.id)
            .where(attempt_members.c.attempt_id == attempt_id)
        )
        with self._database.read() as connection:
            found = frozenset(connection.execute(query).scalars())
        if found:
            if len(self._of_attempts) >= REMEMBERED:
                self._of_attempts = {}
            self._of_attempts[attempt_id] = found
        return found
