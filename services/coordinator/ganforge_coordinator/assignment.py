"""Assignments: a job given to one learner or to several, each with a rank of its own."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Integer, RowMapping, bindparam, insert, select, update

from ganforge.errors import Diverged
from ganforge.wire.learning import Assignment, Completion, Heartbeat
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import amnesty, ledger
from ganforge_coordinator.db.models import attempt_members, attempts, coordinator, jobs
from ganforge_coordinator.job import Trigger
from ganforge_coordinator.ledger import JobRow


@dataclass(frozen=True)
class Member:
    """A learner that a job is given to, by the claim it waits with."""

    learner_id: str
    name: str
    claim_key: str
    address: str | None = None


Began = Callable[[int], None]
"""Told of each attempt that begins: for how many milliseconds its job could have been claimed."""


def uncounted(waited_ms: int) -> None:
    """Be told of attempts that begin, where nobody counts them."""


def begin(
    connection: Connection,
    job: JobRow,
    members: Sequence[Member],
    *,
    ack_ms: int,
    began: Began = uncounted,
) -> None:
    """Begin the next attempt at a locked job; the members' ranks are their places."""
    attempt_id = str(uuid.uuid4())
    floor, time = connection.execute(select(coordinator.c.boot_floor, now_ms())).one()
    # The time too: a database that failed over to an older copy has forgotten epochs and floor,
    # and no coordinator need have started since.
    epoch = max(job["epoch"] + 1, floor, time)
    connection.execute(
        insert(attempts).values(
            id=attempt_id,
            job_id=job["id"],
            epoch=epoch,
            state="ACTIVE",
            started=False,
            resume_iteration=0,
            started_ms=now_ms(),
        )
    )
    for rank, member in enumerate(members):
        connection.execute(
            insert(attempt_members).values(
                attempt_id=attempt_id,
                rank=rank,
                learner_id=member.learner_id,
                claim_key=member.claim_key,
                address=member.address,
                active=True,
                started=False,
                lease_until_ms=amnesty.counted_ms() + ack_ms,
                advanced_ms=now_ms(),
                next_seq=0,
            )
        )
    names = [member.name for member in members]
    told = {"learner": names[0]} if len(names) == 1 else {"learners": names}
    moved = ledger.apply(connection, job, Trigger.CLAIMED, attempt=(attempt_id, epoch), **told)
    began(moved["updated_ms"] - job["run_after_ms"])


def held(connection: Connection, learner_id: str, claim_key: str) -> Assignment | None:
    """Give what was assigned to a claim and is still held; None when there is nothing."""
    of_claim = (
        select(jobs, attempt_members.c.rank)
        .join(attempt_members, attempt_members.c.attempt_id == jobs.c.attempt_id)
        .where(
            attempt_members.c.learner_id == learner_id,
            attempt_members.c.claim_key == claim_key,
            attempt_members.c.active,
        )
    )
    job = connection.execute(of_claim).mappings().one_or_none()
    if job is None:
        return None
    return Assignment(
        attempt_id=job["attempt_id"],
        job_id=job["id"],
        epoch=job["epoch"],
        rank=job["rank"],
        world_size=job["target_count"],
        rendezvous=_rendezvous(connection, job),
        networks=job["networks"],
        dataset=job["dataset"],
        config=job["config"],
        tag=job["tag"],
        lease_seconds=job["lease_ttl_ms"] / 1000,
        retries=count_divergences(connection, job["id"]),
    )


def _rendezvous(connection: Connection, job: JobRow) -> str | None:
    if job["target_count"] == 1:
        return None
    of_first = select(attempt_members.c.address).where(
        attempt_members.c.attempt_id == job["attempt_id"], attempt_members.c.rank == 0
    )
    address: str | None = connection.execute(of_first).scalar_one()
    return address


def has_started(connection: Connection, attempt_id: str, rank: int) -> bool:
    """Whether a member has said that its trainer runs."""
    started = connection.execute(_STARTED, {"attempt": attempt_id, "of_rank": rank})
    return bool(started.scalar_one_or_none())


_STARTED = select(attempt_members.c.started).where(
    attempt_members.c.attempt_id == bindparam("attempt"),
    attempt_members.c.rank == bindparam("of_rank", type_=Integer),
)


def note_started(connection: Connection, job: RowMapping, beat: Heartbeat) -> None:
    """Note that a member's trainer runs; once all do, the job does. The job is locked."""
    of_attempt = attempt_members.c.attempt_id == job["attempt_id"]
    connection.execute(
        update(attempt_members)
        .where(of_attempt, attempt_members.c.rank == beat.rank)
        .values(started=True)
    )
    attempt = update(attempts).where(attempts.c.id == job["attempt_id"])
    if beat.rank == 0:
        connection.execute(attempt.values(resume_iteration=beat.resume_iteration))
    missing = select(attempt_members.c.rank).where(of_attempt, ~attempt_members.c.started)
    if connection.execute(missing).first() is not None:
        return
    went_on_at = connection.execute(
        attempt.values(started=True).returning(attempts.c.resume_iteration)
    ).scalar_one()
    ledger.apply(connection, job, Trigger.STARTED, resumeIteration=went_on_at)


def count_divergences(connection: Connection, job_id: str) -> int:
    """Count the attempts that ended in a loss that was not finite."""
    ended = select(attempts.c.outcome).where(
        attempts.c.job_id == job_id, attempts.c.state == "FAILED"
    )
    outcomes = connection.execute(ended).scalars()
    return sum(is_divergence(Completion.model_validate(told)) for told in outcomes if told)


def is_divergence(completion: Completion) -> bool:
    """Whether an attempt ended in a loss that was not finite."""
    return completion.error is not None and completion.error.slug == Diverged.slug
