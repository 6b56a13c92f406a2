"""The learner's side: register, claim, beat, report, complete."""

import asyncio

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from ganforge.wire.learning import (
    Assignment,
    Claim,
    CollapseNote,
    Command,
    Completion,
    Heartbeat,
    HeartbeatReply,
    Learner,
    LearnerState,
    ProgressPush,
    ProgressReply,
    Registered,
    Registration,
    SnapshotNote,
)
from ganforge.wire.quality import QualityNote
from ganforge_chassis.api_route import api_router
from ganforge_chassis.paging import PagesOf1000, link_next
from ganforge_coordinator import catalog, dispatch, progress, quality, roster, signals, views
from ganforge_coordinator.api.claim_poll import ClaimPoll
from ganforge_coordinator.api.deps import (
    ADMIN,
    OWN_ATTEMPT,
    OWN_LEARNER,
    READER,
    RECHECK_SECONDS,
    AttemptId,
    LearnerCaller,
    Parts,
    WaitSeconds,
)

router = api_router("learners", prefix="/v1")


@router.get("/learners", operation_id="listLearners", dependencies=[READER])
def list_learners(
    parts: Parts, pages: PagesOf1000, request: Request, response: Response
) -> list[Learner]:
    """List the learners by name, what they work on and what they can do.

    Where there are more than fit, the header Link names the next page (RFC 8288).
    """
    with parts.database.read() as connection:
        found = views.learners_by_name(connection, after=pages.after(), limit=pages.limit)
    shown, token = pages.cut(found, lambda learner: learner.name)
    link_next(request, response, token)
    return list(shown)


@router.post("/learners", status_code=201, operation_id="registerLearner")
def register(registration: Registration, parts: Parts, caller: LearnerCaller) -> Registered:
    """Register a learner; what it held before it started anew is taken from it at once."""
    catalog.check_schemas(registration.strategies)
    with parts.database.write() as connection:
        learner_id = roster.register(connection, registration, caller=caller)
    parts.signals.notify(signals.QUEUE)
    return Registered(
        id=learner_id,
        lease_seconds=parts.settings.lease_seconds,
        # Three beats to a lease, whatever was set: one lost answer must not cost it.
        heartbeat_seconds=min(parts.settings.heartbeat_seconds, parts.settings.lease_seconds / 3),
    )


@router.post("/learners/{learner_id}/drain", operation_id="drainLearner", dependencies=[ADMIN])
def drain(learner_id: str, parts: Parts) -> Learner:
    """Give the learner no more jobs, and have it give back the one in hand with a snapshot."""
    return _steer(parts, learner_id, LearnerState.DRAINED)


@router.post(
    "/learners/{learner_id}/quarantine", operation_id="quarantineLearner", dependencies=[ADMIN]
)
def quarantine(learner_id: str, parts: Parts) -> Learner:
    """Give the learner no more jobs; it may end the one in hand."""
    return _steer(parts, learner_id, LearnerState.QUARANTINED)


@router.post("/learners/{learner_id}/resume", operation_id="resumeLearner", dependencies=[ADMIN])
def resume(learner_id: str, parts: Parts) -> Learner:
    """Give the learner jobs again."""
    return _steer(parts, learner_id, LearnerState.ACTIVE)


def _steer(parts: Parts, learner_id: str, state: LearnerState) -> Learner:
    with parts.database.write() as connection:
        job_ids = roster.steer(connection, learner_id, state)
        told = views.learner(connection, learner_id)
    parts.signals.notify(signals.QUEUE, *map(signals.of_job, job_ids))
    return told


@router.post(
    "/learners/{learner_id}/claim",
    operation_id="claimJob",
    dependencies=[OWN_LEARNER],
    response_model=Assignment,
    responses={204: {"description": "There is nothing to do"}},
)
async def claim(
    learner_id: str, claim: Claim, request: Request, parts: Parts, wait_seconds: WaitSeconds
) -> Assignment | Response:
    """Claim a job; waits for one as long as ``Prefer: wait=`` says, 25 s at most."""
    poll = ClaimPoll(parts, learner_id, claim)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    with parts.signals.waiting(signals.QUEUE) as waiter:
        assignment = await run_in_threadpool(poll.try_once, wait_seconds)
        while assignment is None:
            left = deadline - loop.time()
            if left > 0 and not parts.stopping.is_set():
                await waiter.wait(min(left, RECHECK_SECONDS))
            # A job must not be leased to one that has hung up: it would rest until nobody beats.
            if left <= 0 or parts.stopping.is_set() or await request.is_disconnected():
                assignment = await run_in_threadpool(poll.give_up)
                break
            if await run_in_threadpool(poll.is_worth_trying):
                assignment = await run_in_threadpool(poll.try_once, left)
    if assignment is None:
        return Response(status_code=204)
    parts.signals.notify(signals.of_job(assignment.job_id))
    return assignment


@router.post(
    "/attempts/{attempt_id}/heartbeat", operation_id="heartbeat", dependencies=[OWN_ATTEMPT]
)
async def heartbeat(
    attempt_id: AttemptId, beat: Heartbeat, parts: Parts, wait_seconds: WaitSeconds
) -> HeartbeatReply:
    """Renew the lease at once; then wait for a new command as long as ``Prefer: wait=`` says."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    job_topic, reply = await run_in_threadpool(_beat, parts, attempt_id, beat)
    if beat.started:
        parts.signals.notify(job_topic)
    known = beat.command_seen or Command.RUN
    with parts.signals.waiting(job_topic) as waiter:
        while reply.command == known and not parts.stopping.is_set():
            # Looked at before the wait: a command may have come before the waiter was there.
            if (left := deadline - loop.time()) <= 0:
                break
            reply = await run_in_threadpool(_standing, parts, attempt_id, beat.rank)
            if reply.command == known:
                await waiter.wait(left)
    return reply


def _beat(parts: Parts, attempt_id: str, beat: Heartbeat) -> tuple[str, HeartbeatReply]:
    with parts.database.write(durable=False) as connection:
        job_topic = signals.of_job(dispatch.job_of(connection, attempt_id))
        return job_topic, dispatch.beat(connection, attempt_id, beat)


def _standing(parts: Parts, attempt_id: str, rank: int) -> HeartbeatReply:
    with parts.database.read() as connection:
        return dispatch.standing(connection, attempt_id, rank)


@router.post(
    "/attempts/{attempt_id}/progress", operation_id="pushProgress", dependencies=[OWN_ATTEMPT]
)
def push_progress(attempt_id: AttemptId, push: ProgressPush, parts: Parts) -> ProgressReply:
    """Keep points of progress, once and in order; sending them again changes nothing."""
    # A snapshot is noted durably after the progress up to it: that is as far as a job goes back.
    with parts.database.write(durable=False) as connection:
        job_id, reply = progress.push(connection, attempt_id, push)
    parts.signals.notify(signals.points_of(job_id))
    if reply.applied:
        parts.tally.points.inc(push.count)
    return reply


@router.post(
    "/attempts/{attempt_id}/snapshots",
    status_code=204,
    operation_id="noteSnapshot",
    dependencies=[OWN_ATTEMPT],
)
def note_snapshot(attempt_id: AttemptId, note: SnapshotNote, parts: Parts) -> None:
    """Note that a snapshot was committed at the repository; saying it again changes nothing."""
    with parts.database.write() as connection:
        job_id = dispatch.note_snapshot(connection, attempt_id, note)
    parts.signals.notify(signals.of_job(job_id))


@router.post(
    "/attempts/{attempt_id}/collapses",
    status_code=204,
    operation_id="noteCollapse",
    dependencies=[OWN_ATTEMPT],
)
def note_collapse(attempt_id: AttemptId, note: CollapseNote, parts: Parts) -> None:
    """Note that the generator has collapsed; saying it again changes nothing."""
    with parts.database.write() as connection:
        job_id = dispatch.note_collapse(connection, attempt_id, note)
    parts.signals.notify(signals.of_job(job_id))


@router.post(
    "/attempts/{attempt_id}/quality",
    status_code=204,
    operation_id="noteQuality",
    dependencies=[OWN_ATTEMPT],
)
def note_quality(attempt_id: AttemptId, note: QualityNote, parts: Parts) -> None:
    """Note that a version was evaluated; saying it again changes nothing."""
    with parts.database.write() as connection:
        job_id = quality.note(connection, attempt_id, note)
    parts.signals.notify(signals.of_job(job_id))


@router.post(
    "/attempts/{attempt_id}/complete",
    status_code=204,
    operation_id="completeAttempt",
    dependencies=[OWN_ATTEMPT],
)
def complete(attempt_id: AttemptId, completion: Completion, parts: Parts) -> None:
    """End the attempt; saying it again in the same words changes nothing."""
    with parts.database.write() as connection:
        job_id = dispatch.complete(connection, attempt_id, completion)
    parts.signals.notify(signals.QUEUE, signals.of_job(job_id))
