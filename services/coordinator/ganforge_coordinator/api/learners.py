"""The learner's side: register, claim; and what admins ask of it."""

import asyncio

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from ganforge.wire.learning import (
    Assignment,
    Claim,
    Learner,
    LearnerState,
    Registered,
    Registration,
)
from ganforge_chassis.api_route import api_router
from ganforge_chassis.paging import PagesOf1000, link_next
from ganforge_coordinator import catalog, roster, signals, views
from ganforge_coordinator.api.claim_poll import ClaimPoll
from ganforge_coordinator.api.deps import (
    ADMIN,
    OWN_LEARNER,
    READER,
    RECHECK_SECONDS,
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
            # A hundred may be woken for one job: one look tells whether there is any; then
            # one after the other.
            if poll.may_be_chosen or await parts.queue.has_any():
                async with parts.claiming:
                    if await run_in_threadpool(poll.is_worth_trying):
                        assignment = await run_in_threadpool(poll.try_once, left)
    if assignment is None:
        return Response(status_code=204)
    parts.signals.notify(signals.of_job(assignment.job_id))
    return assignment
