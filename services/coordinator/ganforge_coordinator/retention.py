"""What is kept no longer: found by reading, retired few rows at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    select,
    tuple_,
    update,
)

from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import Database
from ganforge_coordinator import fitting, gang, idempotency, quality, thinning
from ganforge_coordinator.db.models import attempt_members, idempotency_keys, job_events, learners
from ganforge_coordinator.events import COLLAPSE
from ganforge_coordinator.keeping import Keeping

ROWS_AT_ONCE = 1000

_RESULTS = (COLLAPSE, quality.EVENT)
"""Events that are kept as long as their job: what the job came to is read from them."""


@dataclass(frozen=True)
class Kind:
    """A kind of thing that is retired; each function is told how old what is retired is.

    Args:
        name: what people and metrics call it.
        kept_ms: how long it is kept.
        pick: finds a few that are older, without a lock.
        retire: retires those of them that still are to go, and gives how many.
        due: counts all there are to retire.
    """

    name: str
    kept_ms: Callable[[Keeping], int]
    pick: Callable[[Connection, int], Sequence[Any]]
    retire: Callable[[Connection, int, Sequence[Any]], int]
    due: Callable[[Connection, int], int]


def retire_some(database: Database, keeping: Keeping) -> dict[str, int]:
    """Retire a batch of each kind, each in a transaction of its own; gives how many rows of each.

    May be done by several coordinators at once.
    """
    retired = {}
    for kind in KINDS:
        age_ms = kind.kept_ms(keeping)
        if not age_ms:
            continue
        # Looking takes longer than deleting, and nobody has to wait for it.
        with database.read() as connection:
            picked = kind.pick(connection, age_ms)
        if picked:
            with database.write() as connection:
                retired[kind.name] = kind.retire(connection, age_ms, picked)
    return retired


def due(connection: Connection, keeping: Keeping) -> dict[str, int]:
    """Count what would be retired now, by kind."""
    return {
        kind.name: kind.due(connection, age_ms)
        for kind in KINDS
        if (age_ms := kind.kept_ms(keeping))
    }


def _kind(
    name: str,
    kept_ms: Callable[[Keeping], int],
    table: Table,
    is_old: Callable[[int], ColumnElement[bool]],
    retire: Callable[[Connection, ColumnElement[bool]], int],
) -> Kind:
    """Make a kind whose things are rows of one table.

    Args:
        name: as of ``Kind``.
        kept_ms: as of ``Kind``.
        table: whose rows.
        is_old: the condition that a row is to go.
        retire: retires all rows of a condition, and gives how many.
    """

    def pick(connection: Connection, age_ms: int) -> Sequence[Any]:
        some = select(*table.primary_key).where(is_old(age_ms)).limit(ROWS_AT_ONCE)
        return [tuple(row) for row in connection.execute(some)]

    def retire_picked(connection: Connection, age_ms: int, picked: Sequence[Any]) -> int:
        return retire(connection, and_(tuple_(*table.primary_key).in_(picked), is_old(age_ms)))

    def count(connection: Connection, age_ms: int) -> int:
        counted = select(func.count()).select_from(table).where(is_old(age_ms))
        return int(connection.execute(counted).scalar_one())

    return Kind(name, kept_ms, pick, retire_picked, count)


def _is_old_event(age_ms: int) -> ColumnElement[bool]:
    event = job_events.c
    return and_(event.at_ms < now_ms() - age_ms, event.type.not_in(_RESULTS))


def _is_old_key(age_ms: int) -> ColumnElement[bool]:
    return idempotency_keys.c.created_ms < now_ms() - age_ms


def _is_silent(age_ms: int) -> ColumnElement[bool]:
    """Choose learners not heard of for so long that hold nothing and are not retired yet."""
    member = attempt_members.c
    holds = exists().where(member.learner_id == learners.c.id, member.active)
    return and_(
        learners.c.last_seen_ms < now_ms() - age_ms, learners.c.boot_id != learners.c.id, ~holds
    )


def _delete_from(table: Table) -> Callable[[Connection, ColumnElement[bool]], int]:
    def delete_rows(connection: Connection, which: ColumnElement[bool]) -> int:
        return connection.execute(delete(table).where(which)).rowcount

    return delete_rows


def _retire_learners(connection: Connection, which: ColumnElement[bool]) -> int:
    """Delete learners; of those that attempts name the name is kept, with no process behind it."""
    ids = connection.execute(select(learners.c.id).where(which)).scalars().all()
    for learner_id in ids:
        fitting.forget(connection, learner_id)
        gang.unpark(connection, learner_id)
    of_these = learners.c.id.in_(ids)
    is_named = exists().where(attempt_members.c.learner_id == learners.c.id)
    connection.execute(delete(learners).where(of_these, ~is_named))
    bare = {"boot_id": learners.c.id, "is_current": False}
    connection.execute(
        update(learners).where(of_these).values(datasets=[], strategies=[], labels={}, **bare)
    )
    return len(ids)


KINDS = (
    Kind(
        "progress",
        lambda keep: keep.progress_ms,
        thinning.pick,
        thinning.thin_some,
        thinning.due,
    ),
    _kind(
        "events",
        lambda keep: keep.events_ms,
        job_events,
        _is_old_event,
        _delete_from(job_events),
    ),
    _kind(
        "idempotencyKeys",
        lambda keep: idempotency.KEPT_MS,  # what callers are promised
        idempotency_keys,
        _is_old_key,
        _delete_from(idempotency_keys),
    ),
    _kind("learners", lambda keep: keep.learners_ms, learners, _is_silent, _retire_learners),
)
