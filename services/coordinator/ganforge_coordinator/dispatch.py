"""Which job goes to which learner, and what learners tell of their attempts."""

import functools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    RowMapping,
    Select,
    String,
    bindparam,
    case,
    exists,
    func,
    insert,
    select,
    update,
)

from ganforge.errors import Conflict
from ganforge.wire.jobs import Desired
from ganforge.wire.learning import (
    Assignment,
    CollapseNote,
    Command,
    Completion,
    EarlyEnd,
    Heartbeat,
    HeartbeatReply,
    LearnerState,
    Outcome,
    SnapshotNote,
)
from ganforge_chassis.clock import now_ms
from ganforge_chassis.database import now, take_turns
from ganforge_chassis.facts import FACTS, table_of
from ganforge_coordinator import assignment, catalog, fitting, gang, lease, ledger, roster
from ganforge_coordinator.assignment import Began, Member, uncounted
from ganforge_coordinator.db.models import (
    attempt_members,
    attempts,
    coordinator,
    job_events,
    jobs,
    learners,
    snapshot_notes,
)
from ganforge_coordinator.events import COLLAPSE
from ganforge_coordinator.job import Trigger

Wish = dict[str, Any]
"""What a learner can do, as ``wish_of`` says it."""

BACK_OFF_MS = 5_000
BACK_OFF_LIMIT_MS = 300_000


def raise_boot_floor(connection: Connection) -> int:
    """Raise the floor that new epochs start above, at every start of a coordinator.

    A database that was restored, or lost its last commits with the power, counts from where it
    was; the floor, taken from the clock, keeps it from giving out an epoch twice.
    """
    take_turns(connection, "boot floor")
    time = now(connection)
    floor = connection.execute(select(coordinator.c.boot_floor)).scalar()
    if floor is None:
        connection.execute(insert(coordinator).values(id=1, boot_floor=time))
        return time
    raised = max(int(floor) + 1, time)
    connection.execute(update(coordinator).values(boot_floor=raised))
    return raised


def claim(
    connection: Connection,
    learner_id: str,
    claim_key: str,
    *,
    ack_ms: int,
    wait_ms: int = 0,
    address: str | None = None,
    began: Began = uncounted,
) -> Assignment | None:
    """Lease the first job this learner can do; None when there is none.

    The same key gives the same assignment again while it is held, so that an answer lost on the
    way costs nothing; a key whose assignment was taken back claims anew. Another key says that
    the learner works on nothing any more: what it held is taken from it first.

    Args:
        connection: the transaction in hand.
        learner_id: who claims.
        claim_key: the claim's own.
        ack_ms: how long the lease waits for its first heartbeat.
        wait_ms: how long the learner waits when there is none; until then it may
            be chosen for a job that takes several.
        address: where the other learners of such a job can reach this one.
        began: told of the attempt when one begins.

    Raises:
        NotFound: there is no such learner.
        Conflict: a newer process of the same name has registered.
    """
    learner = roster.seen(connection, learner_id)
    # First: one who is choosing this learner just now has done so after this.
    gang.unpark(connection, learner_id)
    told = assignment.held(connection, learner_id, claim_key)
    if told is not None:
        return told
    roster.take_back_held(connection, learner_id)
    if learner["state"] != LearnerState.ACTIVE:
        return None
    job = _first_fitting(connection, learner)
    if job is None:
        gang.park(connection, learner, claim_key, wait_ms=wait_ms, address=address)
        return None
    member = Member(learner_id, learner["name"], claim_key, address)
    assignment.begin(connection, job, [member], ack_ms=ack_ms, began=began)
    return assignment.held(connection, learner_id, claim_key)


def wish_of(learner: RowMapping) -> Wish:
    """Say which jobs a learner can do."""
    return {
        "learner": learner["id"],
        "datasets": [info["name"] for info in catalog.readable(learner["datasets"])],
        "strategies": [info["name"] for info in learner["strategies"]],
    }


def _first_fitting(connection: Connection, learner: RowMapping) -> RowMapping | None:
    return connection.execute(_FIRST_FITTING, wish_of(learner)).mappings().one_or_none()


def is_wished_for(connection: Connection, wish: Wish) -> bool:
    """Tell, by reading alone, whether a job waits for a learner that is given jobs."""
    return connection.execute(_IS_WISHED_FOR, wish).first() is not None


def _fitting() -> Select[Any]:
    """Find the first job that waits for a learner like this one.

    A waiting learner looks again and again, so it is said once.
    """
    learner = bindparam("learner", type_=String)
    return (
        select(jobs)
        .where(
            jobs.c.state == "QUEUED",
            jobs.c.target_count == 1,
            jobs.c.run_after_ms <= now_ms(),
            jobs.c.dataset.in_(bindparam("datasets", expanding=True)),
            jobs.c.strategy.in_(bindparam("strategies", expanding=True)),
            fitting.is_asked_for(learner),
            ~roster.should_leave(learner),
        )
        .order_by(jobs.c.priority.desc(), jobs.c.created_ms, jobs.c.id)
        .limit(1)
    )


_FIRST_FITTING = _fitting().with_for_update(skip_locked=True)
_IS_WISHED_FOR = _fitting().where(
    exists().where(
        learners.c.id == bindparam("learner", type_=String),
        learners.c.is_current,
        learners.c.state == LearnerState.ACTIVE,
    )
)


def is_any_queued(connection: Connection) -> bool:
    """Tell whether a job waits that may begin now, whoever can do it."""
    return connection.execute(_ANY_QUEUED).first() is not None


_ANY_QUEUED = (
    select(jobs.c.id).where(jobs.c.state == "QUEUED", jobs.c.run_after_ms <= now_ms()).limit(1)
)


def is_worth_claiming(connection: Connection, learner_id: str, claim_key: str) -> bool:
    """Tell, by reading alone, whether a claim would have an answer now.

    A waiting learner looks again and again; were each look a claim, it would be a write.
    """
    row = roster.find(connection, learner_id)
    if not row["is_current"]:
        return True  # the claim says so in words
    if is_wished_for(connection, wish_of(row)):
        return True
    if row["state"] != LearnerState.ACTIVE or not gang.sizes(row):
        return False
    was_chosen = assignment.held(connection, learner_id, claim_key) is not None
    return was_chosen or gang.is_worth_forming(connection, row)


def beat(connection: Connection, attempt_id: str, beat: Heartbeat) -> tuple[bool, HeartbeatReply]:
    """Renew a lease, note that the trainer has started, and say what stands.

    Returns:
        Whether it was news that the trainer has started, and the answer.

    Raises:
        LeaseLost: the lease is gone.
    """
    if beat.started and not assignment.has_started(connection, attempt_id, beat.rank):
        # The learner, then the job, as everywhere: two orders of locks would be a deadlock.
        roster.see_members(connection, [_member(attempt_id, beat.rank)])
        held = lease.hold(connection, attempt_id, beat.rank)
        assignment.note_started(connection, held.job, beat)
        return True, standing(connection, attempt_id, beat.rank)
    (told,) = beat_all(connection, [(attempt_id, beat)])
    if told is None:
        raise lease.gone()
    return told


def beat_all(
    connection: Connection, beats: Sequence[tuple[str, Heartbeat]]
) -> list[tuple[bool, HeartbeatReply] | None]:
    """Renew the leases of many, and say to each what stands.

    Returns:
        For each what ``beat`` returns; None for one whose lease is gone, or who has news: to them
        ``beat`` has to listen.
    """
    facts = [
        lease.fact_of(attempt_id, beat.rank, beat.iteration, beat.waiting)
        for attempt_id, beat in beats
    ]
    members = [_member(attempt_id, beat.rank) for attempt_id, beat in beats]
    roster.see_members(connection, members)
    renewed = lease.renew_all(connection, facts)
    standing = _standing_of_all(connection, members)

    def told(attempt_id: str, beat: Heartbeat) -> tuple[bool, HeartbeatReply] | None:
        member = attempt_id, beat.rank
        row = renewed.get(member)
        if row is None or (beat.started and not row.started):
            return None
        return False, standing[member]

    return [told(*each) for each in beats]


def _member(attempt_id: str, rank: int) -> dict[str, Any]:
    return {"attempt": attempt_id, "of_rank": rank}


def _standing_of_all(
    connection: Connection, members: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, int], HeartbeatReply]:
    rows = connection.execute(_standing(connection.dialect.name), {FACTS: members})
    return {(row.attempt_id, row.rank): _reply(row) for row in rows}


@functools.cache
def _standing(dialect: str) -> Select[Any]:
    member = attempt_members.c
    fact = table_of(dialect, {"attempt": String, "of_rank": Integer}).c
    return (
        select(
            member.attempt_id, member.rank, jobs.c.desired, jobs.c.lease_ttl_ms, learners.c.state
        )
        .join(learners, learners.c.id == member.learner_id)
        .join(jobs, jobs.c.attempt_id == member.attempt_id)
        .where(member.attempt_id == fact.attempt, member.rank == fact.of_rank)
    )


_COMMANDS = {
    Desired.RUN: Command.RUN,
    Desired.PAUSE: Command.PAUSE,
    Desired.STOP: Command.STOP,
}


def standing(connection: Connection, attempt_id: str, rank: int) -> HeartbeatReply:
    """Say which command stands for a member of an attempt, and how long its lease lives.

    A learner that is drained is told to pause: it gives the job back, which waits for another.

    Raises:
        LeaseLost: the attempt is over.
    """
    told = _standing_of_all(connection, [_member(attempt_id, rank)])
    if not told:
        raise lease.gone()
    return told[attempt_id, rank]


def _reply(row: Row[Any]) -> HeartbeatReply:
    command = _COMMANDS[Desired(row.desired)]
    if command is Command.RUN and row.state == LearnerState.DRAINED:
        command = Command.PAUSE
    return HeartbeatReply(lease_seconds=row.lease_ttl_ms / 1000, command=command)


def note_snapshot(connection: Connection, attempt_id: str, note: SnapshotNote) -> str:
    """Note that a snapshot was committed at the repository, and give the job's id.

    A job that commits snapshots is getting on, however often it changes hands: its losses are
    forgotten.

    Raises:
        LeaseLost: the lease is gone.
        Conflict: another than the first of several learners says so.
    """
    job = lease.lead(connection, attempt_id, note.rank).job
    key = (
        snapshot_notes.c.job_id == job["id"],
        snapshot_notes.c.epoch == job["epoch"],
        snapshot_notes.c.iteration == note.iteration,
    )
    known = connection.execute(select(func.count()).where(*key)).scalar_one()
    if known:
        return str(job["id"])
    connection.execute(
        insert(snapshot_notes).values(
            job_id=job["id"],
            epoch=job["epoch"],
            iteration=note.iteration,
            versions=note.versions,
            noted_ms=now_ms(),
        )
    )
    weights = {name: {"tag": job["tag"], "version": n} for name, n in note.versions.items()}
    connection.execute(
        update(jobs)
        .where(jobs.c.id == job["id"])
        .values(
            weights=weights,
            losses=0,
            iteration=case(
                (jobs.c.iteration < note.iteration, note.iteration), else_=jobs.c.iteration
            ),
            updated_ms=now_ms(),
        )
    )
    data: dict[str, Any] = {"iteration": note.iteration, "versions": note.versions}
    ledger.append_event(connection, job, "snapshot", data)
    return str(job["id"])


def note_collapse(connection: Connection, attempt_id: str, note: CollapseNote) -> str:
    """Note that a generator has collapsed, and give the job's id; noting it again changes nothing.

    Raises:
        LeaseLost: the lease is gone.
        Conflict: another than the first of several learners says so.
    """
    job = lease.lead(connection, attempt_id, note.rank).job
    data = {"iteration": note.iteration, "detail": note.detail}
    known = select(job_events.c.data).where(
        job_events.c.job_id == job["id"],
        job_events.c.epoch == job["epoch"],
        job_events.c.type == COLLAPSE,
    )
    if data not in connection.execute(known).scalars().all():
        ledger.append_event(connection, job, COLLAPSE, data)
        connection.execute(update(jobs).where(jobs.c.id == job["id"]).values(updated_ms=now_ms()))
    return str(job["id"])


def complete(connection: Connection, attempt_id: str, completion: Completion) -> str:
    """End an attempt as its learner says, and give the job's id; the same words may come again.

    Raises:
        LeaseLost: the lease is gone.
        Conflict: the attempt had ended in other words, or another than the first of several
            learners says so.
    """
    said = completion.model_dump(mode="json")
    roster.lock_member(connection, attempt_id, completion.rank)
    ledger.lock_of_attempt(connection, attempt_id)  # the same words may come twice at once
    ended = connection.execute(
        select(attempts.c.job_id, attempts.c.outcome).where(attempts.c.id == attempt_id)
    ).one_or_none()
    if ended is not None and ended.outcome is not None:
        if ended.outcome != said:
            raise Conflict("this attempt was completed before, in other words")
        return str(ended.job_id)
    job = lease.lead(connection, attempt_id, completion.rank).job
    connection.execute(update(attempts).where(attempts.c.id == attempt_id).values(outcome=said))
    connection.execute(
        update(jobs).where(jobs.c.id == job["id"]).values(iteration=completion.iteration)
    )
    gone_back = assignment.count_divergences(connection, job["id"])
    may_go_back = gone_back < job["config"].get("NaNretry", 0)
    trigger = _trigger_of(completion, may_go_back=may_go_back)
    delay = back_off_ms(job["failures"]) if trigger is Trigger.FAILED else 0
    ledger.apply(connection, job, trigger, error=completion.error, delay_ms=delay)
    roster.rate(connection, attempt_id, failed=trigger is Trigger.FAILED)
    return str(job["id"])


_ENDINGS = {
    None: Trigger.SUCCEEDED,
    EarlyEnd.LEVELLED_OFF: Trigger.LEVELLED_OFF,
    EarlyEnd.COLLAPSED: Trigger.COLLAPSED,
}


def _trigger_of(completion: Completion, *, may_go_back: bool) -> Trigger:
    match completion.outcome:
        case Outcome.SUCCEEDED:
            return _ENDINGS[completion.ending]
        case Outcome.FAILED if assignment.is_divergence(completion) and may_go_back:
            return Trigger.DIVERGED
        case Outcome.RELEASED:
            return Trigger.RELEASED
        case Outcome.FAILED:
            return Trigger.FAILED_FOR_GOOD if completion.permanent else Trigger.FAILED


def back_off_ms(failures: int) -> int:
    """Draw how long a job rests after its ``failures + 1``-th failure: doubling, full jitter."""
    return random.randrange(1, min(BACK_OFF_MS * 2**failures, BACK_OFF_LIMIT_MS))
