"""Gangs: jobs for several learners, assigned to all of them at once or to none.

A learner that waits for a job and can work together with others is *parked*: a row in the
database, so that it does not matter which coordinator it waits at. Whoever finds enough of them
for a job takes all of them in one transaction; each then finds the assignment under its own
claim. No learner is ever held for a gang that is not complete, so two gangs cannot wait for each
other.
"""

import random
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
)

from ganforge.wire.learning import LearnerState
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import take_turns
from ganforge_coordinator import assignment, catalog, fitting
from ganforge_coordinator.assignment import Began, Member, uncounted
from ganforge_coordinator.db.models import (
    attempt_members,
    attempts,
    jobs,
    learner_selectors,
    learners,
    parked,
)
from ganforge_coordinator.job import Trigger
from ganforge_coordinator.ledger import JobRow

BACK_OFF_MS = 5_000
BACK_OFF_LIMIT_MS = 60_000
LOOKED_AT_ONCE = 100


def sizes(learner: Mapping[Any, Any]) -> dict[str, int]:
    """Tell of the strategies that a learner can follow with others, how many they may be."""
    told = {info["name"]: info.get("maxLearners", 1) for info in learner["strategies"]}
    return {name: size for name, size in told.items() if size > 1}


def park(
    connection: Connection,
    learner: RowMapping,
    claim_key: str,
    *,
    wait_ms: int,
    address: str | None,
) -> None:
    """Let a waiting learner be chosen until its wait is over, if it can work with others."""
    if not wait_ms or not sizes(learner):
        return
    connection.execute(
        insert(parked).values(
            learner_id=learner["id"],
            claim_key=claim_key,
            address=address,
            until_ms=now_ms() + wait_ms,
        )
    )


def unpark(connection: Connection, learner_id: str) -> bool:
    """Let a learner be chosen no more; tells whether it could be.

    When it is being chosen just now, this waits until that is done.
    """
    gone = delete(parked).where(parked.c.learner_id == learner_id).returning(parked.c.claim_key)
    return connection.execute(gone).first() is not None


def is_parked(connection: Connection, learner_id: str) -> bool:
    """Whether a learner can be chosen."""
    row = select(parked.c.claim_key).where(parked.c.learner_id == learner_id)
    return connection.execute(row).first() is not None


def is_worth_forming(connection: Connection, learner: RowMapping) -> bool:
    """Tell, by reading alone, whether there may be a gang for this learner now."""
    able = sizes(learner)
    if not able:
        return False
    takes = [
        (jobs.c.strategy == name) & (jobs.c.target_count <= size) for name, size in able.items()
    ]
    enough = _waiting().where(_fits()).with_only_columns(func.count()).order_by(None)
    ready = select(jobs.c.id).where(
        *_is_due(),
        jobs.c.dataset.in_([info["name"] for info in catalog.readable(learner["datasets"])]),
        or_(*takes),
        fitting.is_asked_for(learner["id"]),
        enough.correlate(jobs).scalar_subquery() >= jobs.c.target_count,
    )
    return connection.execute(ready.limit(1)).first() is not None


def form(connection: Connection, *, ack_ms: int, began: Began = uncounted) -> list[str]:
    """Give jobs for several learners to parked ones, and give the ids of those jobs.

    Of the jobs with one selector the next is given only when everybody has acknowledged the one
    before: a learner that is gone unnoticed spoils one gang then, not all.
    """
    # Two at once would each lock some of the learners, and neither would find enough.
    take_turns(connection, "gangs")
    forming = _selectors_forming(connection)
    due = select(jobs.c.id, jobs.c.selector_id).where(*_is_due())
    in_order = due.order_by(jobs.c.priority.desc(), jobs.c.created_ms, jobs.c.id)
    given = []
    for job_id, selector_id in connection.execute(in_order.limit(LOOKED_AT_ONCE)).all():
        if selector_id not in forming and _give(connection, job_id, ack_ms=ack_ms, began=began):
            forming.add(selector_id)
            given.append(job_id)
    return given


def _is_due() -> tuple[ColumnElement[bool], ...]:
    return jobs.c.state == "QUEUED", jobs.c.target_count > 1, jobs.c.run_after_ms <= now_ms()


def _selectors_forming(connection: Connection) -> set[str | None]:
    """Find the selectors of jobs that were given to several of whom some have not yet answered."""
    unheard = (
        select(jobs.c.selector_id)
        .join(attempt_members, attempt_members.c.attempt_id == jobs.c.attempt_id)
        .where(
            jobs.c.state == "STARTING",
            jobs.c.target_count > 1,
            attempt_members.c.active,
            attempt_members.c.acked_ms.is_(None),
        )
    )
    return set(connection.execute(unheard).scalars())


def _give(connection: Connection, job_id: str, *, ack_ms: int, began: Began) -> bool:
    """Give a job to as many parked learners as it takes; to none when there are too few."""
    wanted = select(jobs).where(jobs.c.id == job_id, jobs.c.state == "QUEUED")
    job = connection.execute(wanted.with_for_update(skip_locked=True)).mappings().one_or_none()
    if job is None:
        return False
    members = _choose(connection, job)
    if members is None:
        return False
    assignment.begin(connection, job, members, ack_ms=ack_ms, began=began)
    for member in members:
        unpark(connection, member.learner_id)
    return True


def _choose(connection: Connection, job: JobRow) -> list[Member] | None:
    """Lock as many parked learners as a job takes, those first on whom least has failed."""
    of_job = _waiting().join(jobs, jobs.c.id == job["id"]).where(_fits())
    names = {
        row["id"]: row["name"]
        for row in connection.execute(of_job.order_by(learners.c.error_score)).mappings()
        if _can_do(row, job)
    }
    locked = (
        select(parked)
        .where(parked.c.learner_id.in_(list(names)), parked.c.until_ms > now_ms())
        .with_for_update(skip_locked=True)
    )
    claims = {row["learner_id"]: row for row in connection.execute(locked).mappings()}
    chosen = [
        Member(id, name, claims[id]["claim_key"], claims[id]["address"])
        for id, name in names.items()
        if id in claims
    ][: job["target_count"]]
    return chosen if len(chosen) == job["target_count"] else None


def _can_do(learner: RowMapping, job: JobRow) -> bool:
    readable = {info["name"] for info in catalog.readable(learner["datasets"])}
    size = sizes(learner).get(job["strategy"], 1)
    return job["dataset"] in readable and size >= job["target_count"]


def _waiting() -> Select[Any]:
    """Find the learners that are parked."""
    return (
        select(learners)
        .join(parked, parked.c.learner_id == learners.c.id)
        .where(
            learners.c.is_current,
            learners.c.state == LearnerState.ACTIVE,
            parked.c.until_ms > now_ms(),
        )
    )


def _fits() -> ColumnElement[bool]:
    """Say in SQL that a learner fits a job's selector."""
    fitted = exists().where(
        learner_selectors.c.learner_id == learners.c.id,
        learner_selectors.c.selector_id == jobs.c.selector_id,
    )
    return or_(jobs.c.selector_id.is_(None), fitted)


def back_off_ms(connection: Connection, job: JobRow) -> int:
    """Draw how long a job rests whose gang has not answered as one: longer each time in a row.

    Call it before the attempt in hand is ended.
    """
    ended = (
        select(attempts.c.end_reason)
        .where(attempts.c.job_id == job["id"], attempts.c.ended_ms.is_not(None))
        .order_by(attempts.c.epoch.desc())
        .limit(BACK_OFF_LIMIT_MS // BACK_OFF_MS)
    )
    reasons = connection.execute(ended).scalars()
    before = len(list(takewhile(lambda reason: reason == Trigger.UNACKNOWLEDGED, reasons)))
    longest = min(BACK_OFF_MS * 2 ** (before + 1), BACK_OFF_LIMIT_MS)
    return random.randint(BACK_OFF_MS, longest)
