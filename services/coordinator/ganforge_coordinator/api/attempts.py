"""The attempt's side: beat, report, complete; the first thing each does is renew the lease."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from ganforge.errors import LeaseLost
from ganforge.wire.learning import (
    CollapseNote,
    Command,
    Completion,
    Heartbeat,
    HeartbeatReply,
    ProgressPush,
    ProgressReply,
    SnapshotNote,
)
from ganforge.wire.quality import QualityNote
from ganforge_chassis.api_route import api_router
from ganforge_chassis.group_writer import Batch, one_by_one
from ganforge_coordinator import dispatch, progress, quality, signals
from ganforge_coordinator.api.attempt_route import AttemptRoute
from ganforge_coordinator.api.deps import (
    OWN_ATTEMPT,
    AttemptId,
    Parts,
    Service,
    WaitSeconds,
    settled_of,
)

router = api_router("learners", prefix="/v1", route_class=AttemptRoute)

Told = TypeVar("Told")


def _one_by_one(work: Callable[[Connection, str, Told], str]) -> Batch[tuple[str, Told], str]:
    return one_by_one(lambda connection, asked: work(connection, *asked))


_PUSHES = Batch(
    progress.push_all,
    lambda connection, asked: progress.push(connection, *asked),
    durable=False,
)
_BEATS = Batch(
    dispatch.beat_all,
    lambda connection, asked: dispatch.beat(connection, *asked),
    durable=False,
)
_SNAPSHOTS = _one_by_one(dispatch.note_snapshot)
_COLLAPSES = _one_by_one(dispatch.note_collapse)
_QUALITIES = _one_by_one(quality.note)
_COMPLETIONS = _one_by_one(dispatch.complete)


@router.post(
    "/attempts/{attempt_id}/progress", operation_id="pushProgress", dependencies=[OWN_ATTEMPT]
)
async def push_progress(attempt_id: AttemptId, push: ProgressPush, parts: Parts) -> ProgressReply:
    """Keep points of progress, once and in order; sending them again changes nothing."""
    # A snapshot is noted durably after the progress up to it: that is as far as a job goes back.
    job_id, reply = await parts.writer.write(_PUSHES, (attempt_id, push))
    parts.signals.notify(signals.points_of(job_id))
    if reply.applied:
        parts.tally.points.inc(push.count)
    return reply


@router.post(
    "/attempts/{attempt_id}/heartbeat", operation_id="heartbeat", dependencies=[OWN_ATTEMPT]
)
async def heartbeat(
    attempt_id: AttemptId, beat: Heartbeat, parts: Parts, wait_seconds: WaitSeconds
) -> HeartbeatReply:
    """Renew the lease at once; then wait for a new command as long as ``Prefer: wait=`` says."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    settled = await settled_of(parts, attempt_id)
    if settled is None:
        raise LeaseLost("there is no such attempt: drop it and claim anew")
    job_topic = signals.of_job(settled.job_id)
    known = beat.command_seen or Command.RUN
    # The waiter is there before the look at the command that the beat takes: it misses none.
    with parts.signals.waiting(job_topic) as waiter:
        is_news, reply = await parts.writer.write(_BEATS, (attempt_id, beat))
        if is_news:
            parts.signals.notify(job_topic)
        while reply.command == known and not parts.stopping.is_set():
            if (left := deadline - loop.time()) <= 0:
                break
            if await waiter.wait(left):
                reply = await run_in_threadpool(_standing, parts, attempt_id, beat.rank)
    return reply


def _standing(parts: Service, attempt_id: str, rank: int) -> HeartbeatReply:
    with parts.database.read() as connection:
        return dispatch.standing(connection, attempt_id, rank)


@router.post(
    "/attempts/{attempt_id}/snapshots",
    status_code=204,
    operation_id="noteSnapshot",
    dependencies=[OWN_ATTEMPT],
)
async def note_snapshot(attempt_id: AttemptId, note: SnapshotNote, parts: Parts) -> None:
    """Note that a snapshot was committed at the repository; saying it again changes nothing."""
    job_id = await parts.writer.write(_SNAPSHOTS, (attempt_id, note))
    parts.signals.notify(signals.of_job(job_id))


@router.post(
    "/attempts/{attempt_id}/collapses",
    status_code=204,
    operation_id="noteCollapse",
    dependencies=[OWN_ATTEMPT],
)
async def note_collapse(attempt_id: AttemptId, note: CollapseNote, parts: Parts) -> None:
    """Note that the generator has collapsed; saying it again changes nothing."""
    job_id = await parts.writer.write(_COLLAPSES, (attempt_id, note))
    parts.signals.notify(signals.of_job(job_id))


@router.post(
    "/attempts/{attempt_id}/quality",
    status_code=204,
    operation_id="noteQuality",
    dependencies=[OWN_ATTEMPT],
)
async def note_quality(attempt_id: AttemptId, note: QualityNote, parts: Parts) -> None:
    """Note that a version was evaluated; saying it again changes nothing."""
    job_id = await parts.writer.write(_QUALITIES, (attempt_id, note))
    parts.signals.notify(signals.of_job(job_id))


@router.post(
    "/attempts/{attempt_id}/complete",
    status_code=204,
    operation_id="completeAttempt",
    dependencies=[OWN_ATTEMPT],
)
async def complete(attempt_id: AttemptId, completion: Completion, parts: Parts) -> None:
    """End the attempt; saying it again in the same words changes nothing."""
    job_id = await parts.writer.write(_COMPLETIONS, (attempt_id, completion))
    parts.signals.notify(signals.QUEUE, signals.of_job(job_id))
