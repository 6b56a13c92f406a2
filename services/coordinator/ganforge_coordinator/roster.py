"""The roster: which learners have registered, and what becomes of what they hold."""

import uuid
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from ganforge.errors import Conflict, NotFound
from ganforge.wire.learning import Registration
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import take_turns
from ganforge_coordinator import fitting, ledger
from ganforge_coordinator.db.models import attempt_members, attempts, learners
from ganforge_coordinator.job import Trigger

ALIVE_MS = 60_000
"""How long after its last word a learner counts as being here."""


def register(connection: Connection, registration: Registration) -> str:
    """Enter a learner and give its id.

    What the same learner held before it started anew is taken from it at once: it cannot be
    working on it any more.

    Raises:
        Conflict: this process is the older one: another of the same name has registered since.
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
        "datasets": [
            told.model_dump(mode="json")
            for told in (*registration.datasets, *registration.broken_datasets)
        ],
        "strategies": [info.model_dump(mode="json") for info in registration.strategies],
        "last_seen_ms": now_ms(),
    }
    if known is not None and known["boot_id"] == registration.boot_id:
        connection.execute(update(learners).where(learners.c.id == known["id"]).values(values))
        now = {**known, **values}
        if fitting.labels_of(now) != fitting.labels_of(known):
            fitting.hold_against_selectors(connection, now)
        return str(known["id"])
    if known is not None:
        _refuse_the_superseded(connection, registration)
        _supersede(connection, known["id"])
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
    take_back_held(connection, learner_id)


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
    if row is None:
        raise NotFound("there is no such learner: register first")
    if not row["is_current"]:
        raise _superseded(row["name"])
    return row
