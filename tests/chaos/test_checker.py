"""The checker of histories finds every breach it is made to find, and nothing in what is right."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos.checker import check
from tests.chaos.commits import Attempt, Entry, Ledger
from tests.chaos.history import Kind, Operation, Verdict

Breach = Callable[[list[Operation], Ledger], None]
JOB = "job-1"


def operation(at: float, kind: Kind, attempt: int, write: int = 0, seq: int = 0) -> Operation:
    return Operation(
        invoked=at,
        returned=at + 0.5,
        kind=kind,
        verdict=Verdict.ACCEPTED,
        status=200,
        job=JOB,
        attempt=f"attempt-{attempt}",
        epoch=attempt,
        learner=f"learner-{attempt}",
        write=write,
        seq=seq,
    )


def refused(one: Operation) -> Operation:
    return replace(one, verdict=Verdict.REFUSED, status=409, slug="lease-lost")


def attempt(number: int, **changes: object) -> Attempt:
    kept = Attempt(
        id=f"attempt-{number}",
        job=JOB,
        epoch=number,
        state="LOST",
        started=True,
        resume_write=10 * number,
        outcome_write=None,
        holders=((0, f"learner-{number}"),),
    )
    return replace(kept, **changes)  # type: ignore[arg-type]


def a_right_history() -> tuple[list[Operation], Ledger]:
    """Two attempts; the learner of the first sleeps, is superseded, and is refused."""
    operations = [
        operation(1, Kind.CLAIM, 1),
        operation(2, Kind.BEAT, 1, write=10),
        operation(3, Kind.PUSH, 1, write=11),
        operation(4, Kind.NOTE, 1, write=12),
        operation(10, Kind.CLAIM, 2),
        operation(11, Kind.BEAT, 2, write=20),
        refused(operation(12, Kind.PUSH, 1, write=13, seq=1)),
        operation(13, Kind.PUSH, 2, write=21),
        replace(operation(14, Kind.PUSH, 2, write=22, seq=1), verdict=Verdict.UNKNOWN),
        operation(15, Kind.COMPLETE, 2, write=23),
    ]
    ledger = Ledger()
    ledger.last_numbers[JOB] = 9
    ledger.entries[JOB] = [
        Entry(1, 0, "state", "QUEUED"),
        Entry(2, 1, "state", "STARTING"),
        Entry(3, 1, "state", "RUNNING"),
        Entry(4, 1, "chunk", write=11),
        Entry(5, 1, "snapshot", write=12),
        Entry(6, 1, "state", "QUEUED"),
        Entry(7, 2, "state", "STARTING"),
        Entry(8, 2, "chunk", write=21),
        Entry(9, 2, "state", "SUCCEEDED"),
    ]
    ledger.notes.add((JOB, 1, 12))
    last = attempt(2, state="SUCCEEDED", outcome_write=23)
    ledger.attempts.update({"attempt-1": attempt(1), "attempt-2": last})
    return operations, ledger


def test_a_right_history_passes() -> None:
    found = check(*a_right_history())
    assert found.violations == []
    assert (found.operations, found.epochs, found.stale_refused) == (10, 2, 1)


def accept_a_stale_push(operations: list[Operation], ledger: Ledger) -> None:
    operations[6] = operation(12, Kind.PUSH, 1, write=13, seq=1)
    ledger.entries[JOB].insert(8, Entry(9, 1, "chunk", seq=1, write=13))
    ledger.entries[JOB][9] = replace(ledger.entries[JOB][9], number=10)
    ledger.last_numbers[JOB] = 10


def accept_a_stale_beat(operations: list[Operation], ledger: Ledger) -> None:
    operations.append(operation(16, Kind.BEAT, 1, write=10))


def accept_after_lease_lost(operations: list[Operation], ledger: Ledger) -> None:
    operations.append(refused(operation(11.6, Kind.BEAT, 2, write=20)))


def accept_a_stale_completion(operations: list[Operation], ledger: Ledger) -> None:
    operations.append(operation(16, Kind.COMPLETE, 1, write=14))
    ledger.attempts["attempt-1"] = attempt(1, outcome_write=14)


def write_between_attempts(operations: list[Operation], ledger: Ledger) -> None:
    entries = ledger.entries[JOB]
    entries[3], entries[4], entries[5] = (
        replace(entries[5], number=4),
        replace(entries[3], number=5),
        replace(entries[4], number=6),
    )


def lose_an_acknowledged_push(operations: list[Operation], ledger: Ledger) -> None:
    ledger.entries[JOB][7] = Entry(8, 2, "log")


def lose_an_acknowledged_note(operations: list[Operation], ledger: Ledger) -> None:
    ledger.notes.clear()


def lose_an_acknowledged_beat(operations: list[Operation], ledger: Ledger) -> None:
    ledger.attempts["attempt-1"] = attempt(1, started=False)


def lose_an_acknowledged_job(operations: list[Operation], ledger: Ledger) -> None:
    operations.append(replace(operation(17, Kind.SUBMIT, 0), job="job-2"))


def keep_a_refused_push(operations: list[Operation], ledger: Ledger) -> None:
    operations[7] = refused(operations[7])


def keep_a_push_twice(operations: list[Operation], ledger: Ledger) -> None:
    ledger.entries[JOB][8] = Entry(9, 2, "chunk", seq=1, write=21)


def leave_a_push_out(operations: list[Operation], ledger: Ledger) -> None:
    ledger.entries[JOB][7] = replace(ledger.entries[JOB][7], seq=1)


def give_an_epoch_out_twice(operations: list[Operation], ledger: Ledger) -> None:
    ledger.attempts["attempt-3"] = attempt(3, epoch=2)


def give_a_lease_to_two_learners(operations: list[Operation], ledger: Ledger) -> None:
    operations.append(replace(operation(10, Kind.CLAIM, 2), learner="learner-3"))


def forget_an_attempt(operations: list[Operation], ledger: Ledger) -> None:
    operations.append(operation(10, Kind.CLAIM, 3))


def leave_a_number_out(operations: list[Operation], ledger: Ledger) -> None:
    ledger.entries[JOB].pop(4)


def answer_with_a_bug(operations: list[Operation], ledger: Ledger) -> None:
    operations[8] = replace(operations[8], status=500)


@pytest.mark.parametrize(
    "breach",
    [
        accept_a_stale_push,
        accept_a_stale_beat,
        accept_after_lease_lost,
        accept_a_stale_completion,
        write_between_attempts,
        lose_an_acknowledged_push,
        lose_an_acknowledged_note,
        lose_an_acknowledged_beat,
        lose_an_acknowledged_job,
        keep_a_refused_push,
        keep_a_push_twice,
        leave_a_push_out,
        give_an_epoch_out_twice,
        give_a_lease_to_two_learners,
        forget_an_attempt,
        leave_a_number_out,
        answer_with_a_bug,
    ],
)
def test_the_checker_finds(breach: Breach) -> None:
    operations, ledger = a_right_history()
    breach(operations, ledger)
    assert check(operations, ledger).violations
