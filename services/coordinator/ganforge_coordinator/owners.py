"""Whose learners and attempts are: the principal whose token a learner registered with."""

from dataclasses import dataclass

from sqlalchemy import select

from ganforge_chassis.database import Database
from ganforge_coordinator.db.models import attempt_members, attempts, learners

REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Settled:
    """What is settled when an attempt begins: whose it is, and which job's."""

    job_id: str
    principals: frozenset[str | None]


class Owners:
    """Knows whose an attempt is; it is settled when it begins, so it may be remembered.

    Args:
        database: where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._of_attempts: dict[str, Settled] = {}

    def of_learner(self, learner_id: str) -> frozenset[str | None]:
        """Give a learner's principal; none at all when there is no such learner."""
        query = select(learners.c.principal).where(learners.c.id == learner_id)
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def remembered(self, attempt_id: str) -> Settled | None:
        """Tell of an attempt when it is known without asking."""
        return self._of_attempts.get(attempt_id)

    def of_attempt(self, attempt_id: str) -> Settled | None:
        """Tell of an attempt; None when there is no such attempt."""
        query = (
            select(attempts.c.job_id, learners.c.principal)
            .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
            .join(learners, learners.c.id == attempt_members.c.learner_id)
            .where(attempts.c.id == attempt_id)
        )
        with self._database.read() as connection:
            found = connection.execute(query).all()
        if not found:
            return None
        settled = Settled(found[0].job_id, frozenset(row.principal for row in found))
        if len(self._of_attempts) >= REMEMBERED:
            self._of_attempts = {}
        self._of_attempts[attempt_id] = settled
        return settled
