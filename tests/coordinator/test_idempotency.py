"""A request that comes twice under one Idempotency-Key is answered twice and done once."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from ganforge.errors import StillRunning
from ganforge.wire.jobs import JobAction
from ganforge_coordinator import idempotency
from ganforge_coordinator.db.models import idempotency_keys
from ganforge_coordinator.idempotency import InHand, Request
from tests.coordinator.running import Coordinator, a_job

GOOD = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST"}
KEY = {"Idempotency-Key": "key-1"}


def submit(
    coordinator: Coordinator, key: str = "key-1", role: str = "admin", **more: Any
) -> httpx.Response:
    body, headers = {**GOOD, **more}, {"Idempotency-Key": key}
    return coordinator.send("POST", "/v1/jobs", role=role, json=body, headers=headers)


def test_the_same_request_gets_the_same_answer_though_the_job_has_moved_on(
    coordinator: Coordinator,
) -> None:
    first = submit(coordinator)
    coordinator.client.steer(first.json()["id"], JobAction.PAUSE)
    other_order = dict(reversed(GOOD.items()))
    again = coordinator.send("POST", "/v1/jobs", json=other_order, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    for name in ("location", "etag", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert len(list(coordinator.client.jobs())) == 1


def test_the_same_key_with_another_request_is_refused(coordinator: Coordinator) -> None:
    job_id = submit(coordinator).json()["id"]
    answers = (
        submit(coordinator, priority=1),
        coordinator.send("POST", f"/v1/jobs/{job_id}/stop", headers=KEY),
    )
    for answer in answers:
        assert answer.status_code == 422
        assert answer.json()["type"] == "/problems/idempotency-key-reused"


def test_one_principals_key_is_not_anothers(coordinator: Coordinator) -> None:
    ids = {submit(coordinator, role=role).json()["id"] for role in ("admin", "submit")}
    assert len(ids) == 2


def test_a_key_may_come_with_quotes_or_without(coordinator: Coordinator) -> None:
    assert submit(coordinator, '"key-1"').json()["id"] == submit(coordinator).json()["id"]
    assert submit(coordinator, r'"a\"b"').json()["id"] == submit(coordinator, 'a"b').json()["id"]


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "tab\tin it"])
def test_a_key_that_is_none_is_refused_as_malformed(coordinator: Coordinator, key: str) -> None:
    answer = submit(coordinator, key)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Idempotency-Key" in answer.json()["detail"]
    assert not list(coordinator.client.jobs())


def test_what_was_refused_may_be_mended_under_the_same_key(coordinator: Coordinator) -> None:
    assert submit(coordinator, config={"generatorDim": 0}).status_code == 422
    assert submit(coordinator).status_code == 201


def test_a_key_holds_for_a_day(coordinator: Coordinator) -> None:
    first = submit(coordinator).json()["id"]
    with coordinator.database.write() as connection:
        day_before = idempotency_keys.c.created_ms - idempotency.KEPT_MS
        connection.execute(update(idempotency_keys).values(created_ms=day_before))
    second = submit(coordinator, priority=3).json()["id"]
    assert second != first
    assert submit(coordinator, priority=3).json()["id"] == second
    with coordinator.database.read() as connection:
        assert len(connection.execute(select(idempotency_keys)).all()) == 1


def test_the_same_key_sent_by_many_at_once_makes_one_job(
    coordinator: Coordinator, in_thread: Callable[..., Future[Any]]
) -> None:
    futures = [in_thread(lambda: submit(coordinator)) for _ in range(12)]
    answers = [future.result(60) for future in futures]
    made = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.content for answer in made}) == 1
    for answer in answers:
        if answer not in made:
            assert answer.json()["type"] == "/problems/still-running"
            assert answer.headers["retry-after"] == "1"
    assert len(list(coordinator.client.jobs())) == 1


def test_a_request_in_hand_is_held_until_it_is_answered() -> None:
    hands = InHand()
    request = Request("ada", "key-1", b"")
    with hands.alone(request):
        with pytest.raises(StillRunning), hands.alone(request):
            raise AssertionError("two at once")
        with hands.alone(Request("bob", "key-1", b"")), hands.alone(Request("ada", "2", b"")):
            pass
    with hands.alone(request):
        pass


def test_a_client_asks_again_while_its_request_is_still_running(coordinator: Coordinator) -> None:
    key, hands = None, coordinator.app.state.service.in_hand
    released = threading.Event()

    class Once(InHand):
        """Holds the first request that comes as if it were in hand already."""

        def alone(self, request: Request) -> Any:
            nonlocal key
            if key is None:
                key = request.key
                raise StillRunning("still")
            released.set()
            assert request.key == key
            return super().alone(request)

    coordinator.app.state.service.in_hand = Once()
    try:
        job = coordinator.patient.submit(a_job())
    finally:
        coordinator.app.state.service.in_hand = hands
    assert released.is_set()
    assert [one.id for one in coordinator.client.jobs()] == [job.id]


def test_a_job_is_retried_once_under_one_key(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    coordinator.client.steer(job.id, JobAction.CANCEL)
    path = f"/v1/jobs/{job.id}/retry"
    first = coordinator.send("POST", path, headers=KEY)
    coordinator.client.steer(job.id, JobAction.CANCEL)
    again = coordinator.send("POST", path, headers=KEY)
    assert again.content == first.content
    assert coordinator.client.job(job.id).state == "CANCELLED"
