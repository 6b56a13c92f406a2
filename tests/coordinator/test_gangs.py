"""Jobs for several learners: all of them get it at once, or none does."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update

from ganforge.errors import Conflict, LeaseLost
from ganforge.wire.jobs import JobAction, JobState
from ganforge.wire.learning import Assignment, Claim, CollapseNote, Outcome, SnapshotNote
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import gang, ledger, roster
from ganforge_coordinator.db.models import attempt_members, attempts, jobs, parked
from tests.coordinator.conftest import Start
from tests.coordinator.running import Coordinator, Learner, Work, claim_key
from tests.support.learners import DIGITS, GAN, TOGETHER, registration

InThread = Callable[..., Future[Any]]
WAIT_SECONDS = 25.0


def gang_learners(coordinator: Coordinator, count: int, **changes: Any) -> list[Learner]:
    """Make learners that can work together."""
    values = {"strategies": [TOGETHER], **changes}
    return [coordinator.learner(f"learner-{number}", **values) for number in range(count)]


def poll(in_thread: InThread, learners: list[Learner]) -> list[Future[Any]]:
    return [in_thread(learner.claim, wait_seconds=WAIT_SECONDS) for learner in learners]


def until_parked(coordinator: Coordinator, count: int) -> None:
    """Wait until so many learners wait for a job together."""
    while len(parked_ids(coordinator)) != count:
        pass


def parked_ids(coordinator: Coordinator) -> set[str]:
    with coordinator.database.read() as connection:
        return set(connection.scalars(select(parked.c.learner_id)))


def works(coordinator: Coordinator, polls: list[Future[Any]]) -> list[Work]:
    """Wait for the assignments of a gang, by rank."""
    told = [future.result(90) for future in polls]
    return [Work(coordinator.client, one) for one in sorted(told, key=lambda one: one.rank)]


def gang_of(coordinator: Coordinator, in_thread: InThread, count: int = 3) -> list[Work]:
    """Let so many learners wait, and give them the job that is there."""
    return works(coordinator, poll(in_thread, gang_learners(coordinator, count)))


def start_all(members: list[Work]) -> None:
    for rank, work in enumerate(members):
        work.beat(rank=rank)


def test_a_job_for_three_waits_for_the_third_and_then_goes_to_all_at_once(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    *first, last = gang_learners(coordinator, 3)
    job = coordinator.submit(target_count=3)
    polls = poll(in_thread, first)
    until_parked(coordinator, 2)
    with coordinator.database.write() as connection:
        assert gang.form(connection, ack_ms=15_000) == []
    assert coordinator.row(job.id)["state"] == "QUEUED"
    polls += poll(in_thread, [last])
    told: list[Assignment] = [future.result(90) for future in polls]
    assert sorted(one.rank for one in told) == [0, 1, 2]
    assert {one.world_size for one in told} == {3}
    assert len({(one.attempt_id, one.epoch, one.job_id) for one in told}) == 1
    assert parked_ids(coordinator) == set()
    [attempt] = coordinator.client.job(job.id).attempts
    assert sorted(attempt.learners) == ["learner-0", "learner-1", "learner-2"]
    assert attempt.learner == attempt.learners[0]


def test_a_job_that_comes_later_takes_those_that_wait_and_leaves_the_others(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    polls = poll(in_thread, gang_learners(coordinator, 3))
    until_parked(coordinator, 3)
    coordinator.submit(target_count=2)
    until_parked(coordinator, 1)
    single = coordinator.submit()
    told = [future.result(90) for future in polls]
    assert sorted(one.world_size for one in told) == [1, 2, 2]
    assert [one.job_id for one in told if one.world_size == 1] == [single.id]


def test_the_same_claim_key_gives_a_member_the_same_assignment(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    coordinator.submit_together(2)
    learners, keys = gang_learners(coordinator, 2), [claim_key(), claim_key()]
    polls = [
        in_thread(learner.claim, key, wait_seconds=WAIT_SECONDS)
        for learner, key in zip(learners, keys, strict=True)
    ]
    assigned = [future.result(90) for future in polls]
    assert [learner.claim(key) for learner, key in zip(learners, keys, strict=True)] == assigned


def test_a_job_runs_once_the_trainers_of_all_ranks_do(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    job = coordinator.submit_together(3)
    first, second, third = gang_of(coordinator, in_thread)
    second.beat(rank=1, started=False)
    first.beat(rank=0, resume_iteration=7)
    third.beat(rank=2)
    third.beat(rank=2)
    assert coordinator.client.job(job.id).state is JobState.STARTING
    second.beat(rank=1, resume_iteration=99)
    told = coordinator.client.job(job.id)
    assert told.state is JobState.RUNNING
    assert told.attempts[-1].resume_iteration == 7  # as the first says


@pytest.mark.parametrize("rank", [0, 2])
def test_the_loss_of_any_member_ends_the_attempt_of_all(
    coordinator: Coordinator, in_thread: InThread, rank: int
) -> None:
    job = coordinator.submit_together(3)
    members = gang_of(coordinator, in_thread)
    start_all(members)
    with coordinator.database.write() as connection:
        connection.execute(
            update(attempt_members)
            .where(attempt_members.c.rank == rank)
            .values(lease_until_ms=now_ms() - 1)
        )
    coordinator.until(job.id, JobState.QUEUED)
    row = coordinator.row(job.id)
    assert (row["losses"], row["failures"]) == (1, 0)
    assert row["run_after_ms"] <= row["updated_ms"]  # it goes on as soon as three are free
    for number, work in enumerate(members):
        with pytest.raises(LeaseLost):
            work.beat(rank=number)


def test_a_gang_of_which_one_never_answers_is_given_back_and_rests_without_a_count(
    start: Start, in_thread: InThread
) -> None:
    with start(acknowledge_seconds=1) as coordinator:
        job = coordinator.submit_together(2)
        silent, spoken = gang_of(coordinator, in_thread, 2)
        with suppress(LeaseLost):  # on a slow machine it is over by now
            spoken.beat(rank=1)
        coordinator.until(job.id, JobState.QUEUED)
        row = coordinator.row(job.id)
        assert (row["losses"], row["failures"]) == (0, 0)
        assert 5_000 <= row["run_after_ms"] - row["updated_ms"] <= 10_000
        for rank, work in enumerate((silent, spoken)):
            with pytest.raises(LeaseLost):
                work.beat(rank=rank)
        [attempt] = coordinator.client.job(job.id).attempts
        assert (attempt.state, attempt.end_reason) == ("LOST", "unacknowledged")
        assert "it rests until" in str(coordinator.client.job(job.id).waiting_for)


def test_the_rest_grows_with_every_gang_in_a_row_that_does_not_answer(
    coordinator: Coordinator,
) -> None:
    gang_learners(coordinator, 1)
    job = coordinator.submit(target_count=2)

    def longest(connection: Connection) -> int:
        row = ledger.find(connection, job.id)
        drawn = [gang.back_off_ms(connection, row) for _ in range(200)]
        assert min(drawn) >= 5_000
        return max(drawn)

    bounds = []
    reasons = ["unacknowledged"] * 5 + ["lost"]
    with coordinator.database.write() as connection:
        for epoch, reason in enumerate(reasons):
            bounds.append(longest(connection))
            values = {"id": f"{epoch}", "job_id": job.id, "epoch": epoch, "state": "LOST"}
            values |= {"started": False, "resume_iteration": 0, "started_ms": 0, "ended_ms": 1}
            connection.execute(insert(attempts).values(end_reason=reason, **values))
        bounds.append(longest(connection))
    limits = [10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 10_000]
    for drawn, limit in zip(bounds, limits, strict=True):
        assert limit / 2 < drawn <= limit


OTHERS: dict[str, Callable[[Work], Any]] = {
    "snapshot": lambda work: work.client.note_snapshot(
        work.id, SnapshotNote(rank=1, iteration=5, versions={"Generator": 1})
    ),
    "collapse": lambda work: work.client.note_collapse(
        work.id, CollapseNote(rank=1, iteration=5, detail="all alike")
    ),
    "succeed": lambda work: work.complete(rank=1),
    "fail": lambda work: work.complete(Outcome.FAILED, rank=1),
    "release": lambda work: work.complete(Outcome.RELEASED, rank=1),
}


def test_only_the_first_commits_snapshots_and_ends_the_attempt(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    job = coordinator.submit_together(2)
    first, other = gang_of(coordinator, in_thread, 2)
    start_all([first, other])
    before = coordinator.row(job.id)
    for write in OTHERS.values():
        with pytest.raises(Conflict, match=r"only rank 0 commits .*: rank 1 leaves that to it"):
            write(other)
    assert coordinator.row(job.id) == before
    first.note(5)
    first.complete(iteration=5)
    told = coordinator.client.job(job.id)
    assert (told.state, told.iteration) == (JobState.SUCCEEDED, 5)
    with pytest.raises(LeaseLost):
        other.beat(rank=1)
    for write in OTHERS.values():
        with pytest.raises(Conflict):
            write(other)


def test_every_member_pushes_progress_of_its_own_and_the_first_ones_is_the_jobs(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    job = coordinator.submit_together(2)
    first, other = gang_of(coordinator, in_thread, 2)
    start_all([first, other])
    assert first.push(0, 0, [1.0]).applied
    assert other.push(0, 0, [9.0, 8.0], rank=1).applied
    assert other.push(1, 2, [7.0], rank=1).next_seq == 2
    assert coordinator.client.job(job.id).iteration == 1
    assert coordinator.client.progress(job.id).series == {"minibatchLoss": [1.0]}


def test_a_stop_reaches_all_members(coordinator: Coordinator, in_thread: InThread) -> None:
    job = coordinator.submit_together(2)
    members = gang_of(coordinator, in_thread, 2)
    start_all(members)
    replies = [
        in_thread(work.beat, rank=rank, wait_seconds=20) for rank, work in enumerate(members)
    ]
    coordinator.client.steer(job.id, JobAction.STOP)
    assert {reply.result(90).command for reply in replies} == {"stop"}


def test_of_the_jobs_with_one_selector_one_forms_at_a_time(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    learners = gang_learners(coordinator, 4, labels={"pool": "blue"})
    blue = [coordinator.submit(target_count=2, target_filter="(pool=blue)") for _ in range(2)]
    polls = poll(in_thread, learners)
    coordinator.until(blue[0].id, JobState.STARTING)
    until_parked(coordinator, 2)
    with coordinator.database.write() as connection:
        assert gang.form(connection, ack_ms=15_000) == []
    taken = [future for future in polls if future.done() or in_hand(coordinator, future, polls)]
    first = works(coordinator, taken)
    assert {work.job_id for work in first} == {blue[0].id}
    for rank, work in enumerate(first):
        work.beat(rank=rank, started=False)
    second = works(coordinator, [future for future in polls if future not in taken])
    assert {work.job_id for work in second} == {blue[1].id}


def in_hand(coordinator: Coordinator, future: Future[Any], polls: list[Future[Any]]) -> bool:
    """Wait until two of the polls have ended, and tell whether this one has."""
    while sum(one.done() for one in polls) < 2:
        pass
    return future.done()


def test_a_learner_whose_wait_is_over_is_not_chosen(coordinator: Coordinator) -> None:
    learners = gang_learners(coordinator, 2)
    for learner in learners:
        assert learner.claim(wait_seconds=0.05) is None
        assert learner.claim() is None
    assert parked_ids(coordinator) == set()
    job = coordinator.submit(target_count=2)
    with coordinator.database.write() as connection:
        assert gang.form(connection, ack_ms=15_000) == []
    assert coordinator.client.job(job.id).waiting_for is None  # both are free


def test_learners_that_cannot_join_or_do_not_fit_are_left_out(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    blue = {"pool": "blue"}
    job = coordinator.submit_together(2, target_filter="(pool=blue)")
    left_out = [
        coordinator.learner("alone", strategies=[GAN], labels=blue),
        coordinator.learner("red", strategies=[TOGETHER], labels={"pool": "red"}),
        coordinator.learner("digits", strategies=[TOGETHER], labels=blue, datasets=[DIGITS]),
    ]
    polls = poll(in_thread, left_out)
    until_parked(coordinator, 2)
    fitting = poll(in_thread, gang_learners(coordinator, 2, labels=blue))
    assert {work.job_id for work in works(coordinator, fitting)} == {job.id}
    assert not any(future.done() for future in polls)
    for _ in left_out:
        coordinator.submit(dataset="digits")
    assert all(future.result(90) is not None for future in polls)


def test_the_first_ones_address_is_where_they_meet(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    coordinator.submit_together(2)
    polls = [
        in_thread(
            coordinator.client.claim,
            learner.id,
            Claim(claim_key=claim_key(), address=f"10.0.0.{number}:29500"),
            wait_seconds=WAIT_SECONDS,
        )
        for number, learner in enumerate(gang_learners(coordinator, 2))
    ]
    first, other = works(coordinator, polls)
    told = first.assignment.rendezvous
    assert told == other.assignment.rendezvous
    assert told in ("10.0.0.0:29500", "10.0.0.1:29500")
    [attempt] = coordinator.client.job(first.job_id).attempts
    assert attempt.learner == f"learner-{str(told)[7]}"


def test_a_learner_that_starts_anew_is_no_longer_chosen_under_its_old_claim(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    old = poll(in_thread, gang_learners(coordinator, 1))
    until_parked(coordinator, 1)
    gang_learners(coordinator, 1)
    assert parked_ids(coordinator) == set()
    with pytest.raises(Conflict, match="has started since"):
        old[0].result(90)


def test_a_job_for_several_says_what_it_waits_for(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    learners = gang_learners(coordinator, 2)
    job = coordinator.submit(target_count=3)
    told = "it takes 3 learners at once, and 2 are here that can work on it together"
    assert job.waiting_for == told
    assert told in coordinator.send("GET", f"/jobs/{job.id}").text
    coordinator.submit()
    learners[0].work()
    learners += [coordinator.learner("third", strategies=[TOGETHER])]
    told = "it takes 3 learners at once: 3 could take it, and 2 are free of them"
    assert coordinator.client.job(job.id).waiting_for == told


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_learners_that_wait_at_different_coordinators_are_taken_together(
    start: Start, in_thread: InThread
) -> None:
    with start() as one, start() as other:
        polls = poll(in_thread, gang_learners(one, 2))
        others = [other.learner(f"other-{number}", strategies=[TOGETHER]) for number in range(2)]
        polls += poll(in_thread, others)
        until_parked(one, 4)
        job = other.submit(target_count=4)
        members = works(one, polls)
        assert [work.assignment.rank for work in members] == [0, 1, 2, 3]
        start_all(members)
        assert one.client.job(job.id).state is JobState.RUNNING


def test_eight_that_form_gangs_at_once_give_each_job_once_and_no_learner_twice(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    database = coordinator.database
    labels = [{"left": "yes"}, {"left": "yes", "right": "yes"}, {"right": "yes"}]
    with database.write() as connection:
        for number in range(9):
            told = registration(f"{number}", strategies=[TOGETHER], labels=labels[number % 3])
            learner = roster.find(connection, roster.register(connection, told))
            gang.park(connection, learner, claim_key(), wait_ms=60_000, address=None)
    for side in ("left", "right"):
        coordinator.submit(target_count=4, target_filter=f"({side}=yes)")
        coordinator.submit(target_count=6, target_filter=f"({side}=yes)")
    begin = threading.Barrier(8)

    def form() -> list[str]:
        begin.wait()
        with database.write() as connection:
            return gang.form(connection, ack_ms=60_000)

    formed = [future.result(90) for future in [in_thread(form) for _ in range(8)]]
    given = [job_id for job_ids in formed for job_id in job_ids]
    assert len(given) == len(set(given)) == 2
    assert_no_gang_is_partial(coordinator)
    with database.read() as connection:
        held = connection.scalars(select(attempt_members.c.learner_id)).all()
    assert len(held) == len(set(held)) == 8
    assert len(parked_ids(coordinator)) == 1


def assert_no_gang_is_partial(coordinator: Coordinator) -> None:
    """Check that every attempt there ever was had as many members as its job takes."""
    count = func.count(attempt_members.c.rank)
    sizes = (
        select(attempts.c.id, jobs.c.target_count, count)
        .join(jobs, jobs.c.id == attempts.c.job_id)
        .join(attempt_members, attempt_members.c.attempt_id == attempts.c.id)
        .group_by(attempts.c.id, jobs.c.target_count)
    )
    with coordinator.database.read() as connection:
        for _, wanted, members in connection.execute(sizes):
            assert members == wanted


def test_two_kinds_of_gangs_and_single_jobs_that_want_the_same_learners_all_get_done(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    labels = [{"left": "yes"}, {"left": "yes", "right": "yes"}, {"right": "yes"}]
    learners = [
        coordinator.learner(f"{number}", strategies=[TOGETHER], labels=labels[number % 3])
        for number in range(8)
    ]
    submitted = [
        coordinator.submit(target_count=count, target_filter=target_filter).id
        for _ in range(3)
        for count, target_filter in ((4, "(left=yes)"), (5, "(right=yes)"), (1, None))
    ]
    over = threading.Event()

    def work(learner: Learner) -> None:
        while not over.is_set():
            told = learner.claim(wait_seconds=1)
            if told is not None:
                with suppress(LeaseLost):
                    do(Work(coordinator.client, told))

    def do(work: Work) -> None:
        rank = work.assignment.rank
        work.beat(rank=rank)
        if rank > 0:
            while not over.is_set():
                work.beat(rank=rank, wait_seconds=5)
        coordinator.until(work.job_id, JobState.RUNNING)  # until all have started
        work.complete()

    workers = [in_thread(work, learner) for learner in learners]
    for job_id in submitted:
        coordinator.until(job_id, JobState.SUCCEEDED)
    over.set()
    for worker in workers:
        worker.result(90)
    assert_no_gang_is_partial(coordinator)
    for job_id in submitted:
        row = coordinator.row(job_id)
        assert (row["losses"], row["failures"]) == (0, 0)


def test_a_member_of_an_attempt_that_nobody_knows_has_lost_its_lease(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    coordinator.submit_together(2)
    first, _ = gang_of(coordinator, in_thread, 2)
    with pytest.raises(LeaseLost):
        first.beat(rank=2)
    with pytest.raises(LeaseLost):
        first.complete(rank=2)
