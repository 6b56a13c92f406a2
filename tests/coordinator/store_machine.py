"""The store of a coordinator beside its model, both empty when an example begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize
from sqlalchemy import Connection, select

from ganforge.errors import GanforgeError, LeaseLost
from ganforge.wire.learning import LearnerState
from ganforge_chassis import migrations
from ganforge_chassis.database import Database
from ganforge_coordinator import roster
from ganforge_coordinator.db.models import learners, metadata
from tests.coordinator.acts import NAMES, Fate
from tests.coordinator.job_model import Attempt, Model
from tests.support.frozen_clock import FrozenClock

T = TypeVar("T")

START_MS = 1_800_000_000_000


class Cut(Exception):
    """The end of a coordinator before its commit."""


class Store(RuleBasedStateMachine):
    """The store, its model, and ways to call the one and hear of the other."""

    database: Database
    clock: FrozenClock
    steps = 0

    @initialize()
    def begin(self) -> None:
        self.clock.now_ms = START_MS
        self.model = Model(self.now)
        self.learners: dict[str, tuple[str, str]] = {}  # name: (id, boot)
        self.standing: dict[str, LearnerState] = {}
        self.boots: dict[str, list[str]] = {name: [] for name in NAMES}
        with self.database.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        self.begin_anew()

    def begin_anew(self) -> None:
        """Do to the empty store what comes before anything else."""
        raise NotImplementedError

    @property
    def now(self) -> int:
        return self.clock.now_ms

    def say(self, call: Callable[[Connection], T]) -> T:
        with self.database.write() as connection:
            return call(connection)

    def cut(self, call: Callable[[Connection], Any]) -> None:
        """Make a call that is never committed: the model does not change."""
        with suppress(Cut, GanforgeError), self.database.write() as connection:
            call(connection)
            raise Cut

    def lives(self, attempt: Attempt) -> bool:
        return self.model.lives(attempt, self.now)

    def told(
        self, attempt: Attempt, fate: Fate, call: Callable[[Connection], T], *, iteration: int = 0
    ) -> Iterator[T]:
        """Make a call as a learner, and give what it was told, once or twice.

        One whose lease is gone must be refused; that nothing changed, the invariants see.
        """
        if fate is Fate.CUT:
            self.cut(call)
        for _ in range(fate.value):
            if self.lives(attempt):
                answer = self.say(call)
                attempt.renew(self.now, self.model.counted_ms(self.now), iteration)
                yield answer
            else:
                with pytest.raises(LeaseLost):
                    self.say(call)

    def look_for_quarantine(self, name: str) -> None:
        """Learn from the store who was put in quarantine; it must have had reason to."""
        query = select(learners.c.state).where(learners.c.id == self.learners[name][0])
        state = LearnerState(self.say(lambda connection: connection.scalars(query).one()))
        if state is not self.standing[name]:
            failed = [
                attempt.job
                for attempt in self.model.attempts
                if attempt.learner == name and attempt.state == "FAILED"
            ]
            assert state is LearnerState.QUARANTINED
            assert len(set(failed)) >= roster.QUARANTINE_AFTER
            self.standing[name] = state


@contextmanager
def opened(url: str, machine: type[Store]) -> Iterator[None]:
    """Open a database for the model; it need not survive the power."""
    on_postgresql = not url.startswith("sqlite")
    database = Database(url + "&options=-csynchronous_commit%3Doff" if on_postgresql else url)
    migrations.upgrade(database, "ganforge_coordinator")
    machine.database, machine.clock = database, FrozenClock(database, now_ms=START_MS)
    try:
        yield
    finally:
        database.close()
