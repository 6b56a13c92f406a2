"""What must reach a server does, in order, and nobody waits for what never will."""

import threading
from collections.abc import Callable, Iterator

import pytest

from ganforge.errors import GanforgeError, LeaseLost, ServerFailed, Unreachable
from ganforge_learner.outbox import Outbox, Over, persist

PATIENCE_SECONDS = 60


class Attempt:
    """An outbox of an attempt that ends when a server says no."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.refusals: list[GanforgeError] = []
        self.outbox = Outbox("test", self.over, self._refuse)

    def _refuse(self, error: GanforgeError) -> None:
        self.refusals.append(error)
        self.over.set()


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    attempt = Attempt()
    yield attempt
    attempt.over.set()


def failing(times: int, error: GanforgeError, then: Callable[[], object]) -> Callable[[], object]:
    """Fail so many times, then succeed."""
    left = [error] * times

    def call() -> object:
        if left:
            raise left.pop()
        return then()

    return call


def test_everything_is_sent_once_and_in_order(attempt: Attempt) -> None:
    sent: list[int] = []
    tickets = [attempt.outbox.put(lambda n=n: sent.append(n)) for n in range(100)]  # type: ignore[misc]
    attempt.outbox.wait()
    assert sent == list(range(100))
    assert tickets == list(range(1, 101))


def test_a_server_that_is_away_is_asked_again_before_anything_later(attempt: Attempt) -> None:
    sent: list[str] = []
    away = failing(1, Unreachable("nobody"), lambda: sent.append("first"))
    attempt.outbox.put(failing(1, ServerFailed("a bug"), away))
    attempt.outbox.put(lambda: sent.append("second"))
    attempt.outbox.wait()
    assert sent == ["first", "second"]


def test_a_ticket_waits_for_its_own_and_not_for_later_ones(attempt: Attempt) -> None:
    gate = threading.Event()
    first = attempt.outbox.put(lambda: None)
    attempt.outbox.put(lambda: gate.wait(PATIENCE_SECONDS))
    attempt.outbox.wait(first)
    gate.set()
    attempt.outbox.wait()


def test_an_answer_that_is_no_is_told_and_closes_the_outbox(attempt: Attempt) -> None:
    sent: list[int] = []
    attempt.outbox.put(failing(1, LeaseLost("gone"), lambda: sent.append(1)))
    attempt.outbox.put(lambda: sent.append(2))
    with pytest.raises(Over):
        attempt.outbox.wait()
    assert [type(error) for error in attempt.refusals] == [LeaseLost]
    assert sent == []


def test_a_bug_while_sending_is_told_rather_than_waited_for(attempt: Attempt) -> None:
    def fail() -> None:
        raise FileNotFoundError("the disk is gone")

    attempt.outbox.put(fail)
    with pytest.raises(Over):
        attempt.outbox.wait()
    [error] = attempt.refusals
    assert "the disk is gone" in error.detail


def test_the_end_of_an_attempt_wakes_who_waits(attempt: Attempt) -> None:
    def end() -> None:
        attempt.over.set()
        raise Unreachable("nobody")

    attempt.outbox.put(end)
    with pytest.raises(Over):
        attempt.outbox.wait()
    assert attempt.refusals == []


def test_persist_gives_the_answer_and_raises_what_is_no_outage() -> None:
    over = threading.Event()
    assert persist(failing(1, Unreachable("nobody"), lambda: 7), over) == 7
    with pytest.raises(LeaseLost):
        persist(failing(1, LeaseLost("gone"), lambda: 7), over)
    over.set()
    with pytest.raises(Over):
        persist(lambda: 7, over)
