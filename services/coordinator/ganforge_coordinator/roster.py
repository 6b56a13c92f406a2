"""The roster: which learners have registered, and what becomes of what they hold."""

import functools
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    RowMapping,
    String,
    Update,
    and_,
    func,
    insert,
    select,
    update,
)

from ganforge.errors import Conflict, NotAllowed, NotFound
from ganforge.wire.learning import LearnerState, Registration
from ganforge.wire.tokens import Role
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import now, take_turns
from ganforge_chassis.facts import FACTS, table_of
from ganforge_chassis.tokens import Caller
from ganforge_coordinator import fitting, gang, ledger
from ganforge_coordinator.db.models import attempt_members, attempts, jobs, learners
from ganforge_coordinator.job import Trigger

SEEN_EVERY_MS = 5_000
"""Beats come more often than anybody asks when a learner was last heard of."""

ALIVE_MS = 60_000
"""How long after its last word a learner counts as being here."""

LEAVE_MS = 10_000
"""How long a job that failed on a learner is left to the others."""

QUARANTINE_AFTER = 3
"""So many different jobs that fail in a row are the learner's fault, not the jobs'."""


def register(
    connection: Connection, registration: Registration, *, caller: Caller | None = None
) -> str:
    """Enter a learner and give its id.

    What the same learner held before it started anew is taken from it at once: it cannot be
    working on it any more. One that was drained stays so, for a start says nothing about what its
    operator wants; one that was in quarantine is tried again.

    Raises:
        Conflict: this process is the older one: another of the same name has registered since.
        NotAllowed: somebody else's learner has this name, and lives.
    """
    take_turns(connection, f"learner {registration.name}")
    known = (
        connection.execute(
            select(learners).where(learners.c.name == registration.name, learners.c.is_current)
        )
        .mappings()
        .one_or_none()
    )
    values: dict[str, Any] = {
        "device": registration.device,
        "labels": registration.labels,
        "version": registration.version,
        "principal": None if caller is None else caller.principal,
        "datasets": [
            told.model_dump(mode="json")
            for told in (*registration.datasets, *registration.broken_datasets)
        ],
        "strategies": [info.model_dump(mode="json") for info in registration.strategies],
        "last_seen_ms": now_ms(),
    }
    if known is not None and caller is not None:
        _refuse_strangers(connection, known, caller)
    if known is not None and known["boot_id"] == registration.boot_id:
        connection.execute(update(learners).where(learners.c.id == known["id"]).values(values))
        new = {**known, **values}
        if fitting.labels_of(new) != fitting.labels_of(known):
            fitting.hold_against_selectors(connection, new)
        return str(known["id"])
    if known is not None:
        _refuse_the_superseded(connection, registration)
        _supersede(connection, known["id"])
        if known["state"] == LearnerState.DRAINED:
            values["state"] = LearnerState.DRAINED
    learner_id = str(uuid.uuid4())
    values |= {
        "id": learner_id,
        "name": registration.name,
        "boot_id": registration.boot_id,
        "is_current": True,
    }
    connection.execute(insert(learners).values(values))
    fitting.hold_against_selectors(connection, values)
    return learner_id


def _refuse_strangers(connection: Connection, known: RowMapping, caller: Caller) -> None:
    """Keep one principal from taking another's work by the name of its learner."""
    is_own = known["principal"] in (None, caller.principal) or caller.role is Role.ADMIN
    if not is_own and known["last_seen_ms"] > now(connection) - ALIVE_MS:
        raise NotAllowed(
            f"a learner of {known['principal']!r} has the name {known['name']!r}: "
            "give each learner a name of its own with --name"
        )


def _refuse_the_superseded(connection: Connection, registration: Registration) -> None:
    before = select(func.count()).where(
        learners.c.name == registration.name, learners.c.boot_id == registration.boot_id
    )
    if connection.execute(before).scalar_one():
        raise _superseded(registration.name)


def _superseded(name: str) -> Conflict:
    return Conflict(
        f"another learner named {name!r} has started since: "
        "give each learner a name of its own with --name"
    )


def _supersede(connection: Connection, learner_id: str) -> None:
    connection.execute(update(learners).where(learners.c.id == learner_id).values(is_current=False))
    fitting.forget(connection, learner_id)
    gang.unpark(connection, learner_id)  # first: one who is choosing it now has done so after this
    take_back_held(connection, learner_id)


def find(connection: Connection, learner_id: str) -> RowMapping:
    """Read a learner's row; it has to be there."""
    return connection.execute(select(learners).where(learners.c.id == learner_id)).mappings().one()


def take_back_held(connection: Connection, learner_id: str) -> None:
    """End the attempts of a learner that surely works on none of them any more."""
    held = (
        select(attempts.c.job_id, attempts.c.id)
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .where(attempt_members.c.learner_id == learner_id, attempt_members.c.active)
        .order_by(attempts.c.job_id)
    )
    for job_id, attempt_id in connection.execute(held).all():
        job = ledger.lock(connection, job_id)
        # Until the lock was had, the job may have gone to another learner.
        if job["attempt_id"] == attempt_id:
            ledger.apply(connection, job, Trigger.LOST)


def seen(connection: Connection, learner_id: str) -> RowMapping:
    """Note that a learner was heard of, and give its row.

    Raises:
        NotFound: there is no such learner.
        Conflict: a newer process of the same name has registered.
    """
    row = (
        connection.execute(
            update(learners)
            .where(learners.c.id == learner_id)
            .values(last_seen_ms=now_ms())
            .returning(*learners.c)
        )
        .mappings()
        .one_or_none()
    )
    # Of one that was silent for months only the name is kept.
    if row is None or row["boot_id"] == row["id"]:
        raise NotFound("there is no such learner: register first")
    if not row["is_current"]:
        raise _superseded(row["name"])
    return row


def see_members(connection: Connection, members: Sequence[Mapping[str, Any]]) -> None:
    """Note that the learners of members were heard of, each ``attempt`` and ``of_rank``."""
    connection.execute(_sight(connection.dialect.name), {FACTS: members})


@functools.cache
def _sight(dialect: str) -> Update:
    member = attempt_members.c
    fact = table_of(dialect, {"attempt": String, "of_rank": Integer}).c
    return (
        update(learners)
        .where(
            learners.c.id == member.learner_id,
            member.attempt_id == fact.attempt,
            member.rank == fact.of_rank,
            learners.c.last_seen_ms < now_ms() - SEEN_EVERY_MS,
        )
        .values(last_seen_ms=now_ms())
    )


def lock_member(connection: Connection, attempt_id: str, rank: int) -> None:
    """Keep others from changing a member's learner until the transaction ends.

    Before the job is locked, as everywhere: two orders of locks would be a deadlock.
    """
    learner = (
        select(learners.c.id)
        .join(attempt_members, attempt_members.c.learner_id == learners.c.id)
        .where(attempt_members.c.attempt_id == attempt_id, attempt_members.c.rank == rank)
    )
    connection.execute(learner.with_for_update(of=learners, key_share=True))


def should_leave(learner_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Tell of a job that it just failed on this learner, and that others are there to try it."""
    failed_here = (
        select(attempts.c.id)
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .where(
            attempts.c.job_id == jobs.c.id,
            attempts.c.epoch == jobs.c.epoch,
            attempts.c.state == "FAILED",
            attempt_members.c.learner_id == learner_id,
        )
    )
    others = select(learners.c.id).where(
        learners.c.id != learner_id,
        learners.c.is_current,
        learners.c.state == LearnerState.ACTIVE,
        learners.c.last_seen_ms > now_ms() - ALIVE_MS,
    )
    return and_(jobs.c.run_after_ms > now_ms() - LEAVE_MS, failed_here.exists(), others.exists())


def rate(connection: Connection, attempt_id: str, *, failed: bool) -> None:
    """Count the different jobs that failed on a learner in a row; after the third, no more come.

    An attempt that ended well, or in a way that is the job's own fault, ends the row.
    """
    member = select(attempt_members.c.learner_id).where(
        attempt_members.c.attempt_id == attempt_id, attempt_members.c.rank == 0
    )
    learner_id = connection.execute(member).scalar_one()
    count = _failed_in_a_row(connection, learner_id) if failed else 0
    values: dict[str, object] = {"error_score": count}
    if count >= QUARANTINE_AFTER:
        values["state"] = LearnerState.QUARANTINED
    connection.execute(update(learners).where(learners.c.id == learner_id).values(values))


def _failed_in_a_row(connection: Connection, learner_id: str) -> int:
    of_learner = (
        select(attempts.c.job_id, attempts.c.end_reason)
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .where(attempt_members.c.learner_id == learner_id, attempts.c.outcome.is_not(None))
        .order_by(attempts.c.ended_ms.desc())
        .limit(10 * QUARANTINE_AFTER)
    )
    found: set[str] = set()
    for job_id, end_reason in connection.execute(of_learner):
        if end_reason != Trigger.FAILED:
            break
        found.add(job_id)
    return len(found)


def steer(connection: Connection, learner_id: str, state: LearnerState) -> list[str]:
    """Put a learner into a state by hand, and give the ids of the jobs it holds.

    Raises:
        NotFound: there is no such learner.
    """
    changed = (
        update(learners)
        .where(learners.c.id == learner_id, learners.c.is_current)
        .values(state=state, error_score=0)
        .returning(learners.c.id)
    )
    if connection.execute(changed).scalar_one_or_none() is None:
        raise NotFound(f"there is no learner {learner_id!r}; list those there are")
    held = (
        select(attempts.c.job_id)
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .where(attempt_members.c.learner_id == learner_id, attempt_members.c.active)
    )
    return list(connection.execute(held).scalars())
