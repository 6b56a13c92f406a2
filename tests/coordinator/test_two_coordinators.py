"""Two coordinators on one PostgreSQL: what is said to one is known to the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from ganforge.wire.jobs import JobAction, JobState
from ganforge.wire.learning import Command, Outcome
from ganforge_coordinator.signals import QUEUE, Signals
from ganforge_coordinator.watch import Watch
from tests.coordinator.conftest import Start
from tests.coordinator.running import Coordinator, Work

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

InThread = Callable[[Callable[[], Any]], Future[Any]]


def test_a_heartbeat_that_waits_at_one_hears_of_a_stop_at_the_other(
    start: Start, in_thread: InThread
) -> None:
    with start() as one, start() as other:
        job = one.submit()
        work = one.learner().work()
        reply = in_thread(lambda: work.beat(wait_seconds=25))
        other.client.steer(job.id, JobAction.STOP)
        assert reply.result(60).command is Command.STOP


def test_a_follower_at_one_sees_what_comes_to_the_other(start: Start, in_thread: InThread) -> None:
    with start() as one, start() as other:
        job = one.submit()
        followed = in_thread(lambda: one.events(job.id))
        work = other.learner().work()
        work.push(0, 0, [1.0, 2.0])
        work.complete()
        types = [(event.type, event.data.get("state")) for event in followed.result(60)]
        assert types == [
            ("state", JobState.QUEUED),
            ("state", JobState.STARTING),
            ("state", JobState.RUNNING),
            ("progress", None),
            ("state", JobState.SUCCEEDED),
        ]


def test_a_job_given_back_at_one_is_claimed_at_the_other(start: Start, in_thread: InThread) -> None:
    def take(coordinator: Coordinator) -> Work:
        return coordinator.learner("other").take()

    with start() as one, start() as other:
        one.submit()
        work = one.learner().work()
        taken = in_thread(lambda: take(other))
        work.complete(Outcome.RELEASED)
        assert taken.result(60).epoch > work.epoch


def test_who_waits_for_a_job_at_one_is_woken_by_a_submit_at_the_other(start: Start) -> None:
    with start() as one, start() as other:
        signals = Signals()
        watch = Watch(one.database, signals)

        async def wait() -> None:
            with signals.waiting(QUEUE) as waiter:
                watch.look()  # there is nothing to claim
                await asyncio.sleep(0)
                assert not waiter.is_woken
                other.submit()
                watch.look()
                await asyncio.sleep(0)
                assert waiter.is_woken
                await waiter.wait(60)
                watch.look()  # nor anything new
                await asyncio.sleep(0)
                assert not waiter.is_woken

        asyncio.run(wait())
