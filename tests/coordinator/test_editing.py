"""Changing, deleting and waiting for a job: entity tags keep one's change from hiding another's."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from ganforge.errors import InvalidState, NotFound, PreconditionFailed
from ganforge.wire.jobs import JobAction, JobPatch, JobState
from ganforge.wire.learning import Outcome
from ganforge_coordinator import views
from ganforge_coordinator.db.models import metadata
from tests.coordinator.running import Coordinator

MERGE_PATCH = "application/merge-patch+json"


def path_of(job_id: str) -> str:
    return f"/v1/jobs/{job_id}"


def patch(
    coordinator: Coordinator, job_id: str, body: dict[str, Any], if_match: str | None = "*"
) -> httpx.Response:
    headers = {} if if_match is None else {"If-Match": if_match}
    return coordinator.send("PATCH", path_of(job_id), json=body, headers=headers)


def test_a_patch_changes_what_it_names_and_nothing_else(coordinator: Coordinator) -> None:
    before = coordinator.submit(name="first", priority=3, config={"maxIterations": 10})
    answer = patch(coordinator, before.id, {"priority": 7})
    assert answer.status_code == 200
    after = coordinator.client.job(before.id)
    changed = {"priority": 7, "updated_at": after.updated_at}
    assert after == before.model_copy(update=changed)
    assert answer.headers["etag"] == coordinator.send("GET", path_of(before.id)).headers["etag"]


def test_what_a_job_waits_for_is_part_of_its_entity_tag(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    alone = coordinator.send("GET", path_of(job.id))
    assert "no learner is here" in alone.json()["waitingFor"]
    coordinator.learner()
    known = {"If-None-Match": alone.headers["etag"]}
    joined = coordinator.send("GET", path_of(job.id), headers=known)
    assert (joined.status_code, joined.json()["waitingFor"]) == (200, None)
    assert patch(coordinator, job.id, {"priority": 1}, alone.headers["etag"]).status_code == 412
    assert patch(coordinator, job.id, {"priority": 1}, joined.headers["etag"]).status_code == 200


def test_null_takes_away(coordinator: Coordinator) -> None:
    job = coordinator.submit(name="first", priority=3, config={"maxIterations": 10})
    body = {"name": None, "priority": None, "maxIterations": None}
    headers = {"If-Match": "*", "Content-Type": MERGE_PATCH}
    answer = coordinator.send("PATCH", path_of(job.id), json=body, headers=headers)
    told = answer.json()
    assert (told["name"], told["priority"], told["maxIterations"]) == (None, 0, None)
    assert told["config"]["maxIterations"] is None


def test_a_job_that_is_over_may_learn_further(coordinator: Coordinator) -> None:
    job = coordinator.submit(config={"maxIterations": 10})
    coordinator.learner().work().complete()
    coordinator.client.edit(job.id, JobPatch(max_iterations=20))
    coordinator.client.steer(job.id, JobAction.RETRY)
    assignment = coordinator.learner("other").take().assignment
    assert assignment.config["maxIterations"] == 20


def test_how_far_a_job_learns_cannot_change_while_a_learner_works_on_it(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit()
    coordinator.learner().work()
    with pytest.raises(InvalidState, match="pause it") as refused:
        coordinator.client.edit(job.id, JobPatch(max_iterations=20))
    assert "pause" in refused.value.members["allowed"]
    assert coordinator.client.edit(job.id, JobPatch(name="while it runs")).name == "while it runs"


def test_which_learners_may_work_on_a_job_can_be_changed(coordinator: Coordinator) -> None:
    job = coordinator.submit(target_filter="(pool=a)")
    learner = coordinator.learner("ada", labels={"pool": "b"})
    assert learner.claim() is None
    selector = {"matchLabels": {"pool": "b"}}
    told = patch(coordinator, job.id, {"targetFilter": selector}).json()["targetFilter"]
    assert told["matchLabels"] == selector["matchLabels"]
    work = learner.take()
    assert patch(coordinator, job.id, {"targetFilter": None}).status_code == 409
    work.complete(Outcome.RELEASED)
    assert patch(coordinator, job.id, {"targetFilter": None}).json()["targetFilter"] is None
    coordinator.learner("bob").take()


@pytest.mark.parametrize(
    "body",
    [
        {"targetFilter": "(pool=a"},
        {"targetFilter": 7},
        {"priority": 101},
        {"priority": False},
        {"priority": "5"},
        {"name": ""},
        {"maxIterations": 0},
        {"maxIterations": 2**53},
        {"maxIterations": 1.5},
        {"state": "SUCCEEDED"},
        {"dataset": "digits"},
        {"name": "a\0b"},
        [],
        None,
    ],
)
def test_a_patch_of_nonsense_is_refused_and_changes_nothing(
    coordinator: Coordinator, body: Any
) -> None:
    job = coordinator.submit()
    assert patch(coordinator, job.id, body).status_code == 422
    assert coordinator.client.job(job.id) == job


def test_a_change_that_changes_nothing_is_no_event(coordinator: Coordinator) -> None:
    job = coordinator.submit(priority=3)
    for body in ({}, {"priority": 3}, {"name": None}):
        assert patch(coordinator, job.id, body).status_code == 200
    assert coordinator.client.job(job.id) == job


def test_a_change_is_an_event_that_tells_it(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    patch(coordinator, job.id, {"priority": 7, "name": "best"})
    coordinator.client.steer(job.id, JobAction.CANCEL)
    (told,) = (event.data for event in coordinator.events(job.id) if event.type == "edit")
    assert told == {"priority": 7, "name": "best"}


def test_a_change_must_say_what_it_changes(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    blind = patch(coordinator, job.id, {"priority": 1}, None)
    assert (blind.status_code, blind.json()["type"]) == (428, "/problems/precondition-required")
    etag = coordinator.send("GET", path_of(job.id)).headers["etag"]
    first = patch(coordinator, job.id, {"priority": 1}, f'"other", {etag}')
    assert first.status_code == 200
    for stale in (etag, f"W/{first.headers['etag']}", '"other"', "nonsense"):
        late = patch(coordinator, job.id, {"priority": 2}, stale)
        assert (late.status_code, late.json()["type"]) == (412, "/problems/precondition-failed")
    with pytest.raises(PreconditionFailed):
        coordinator.client.edit(job.id, JobPatch(priority=2), etag=etag)
    assert coordinator.client.job(job.id).priority == 1


def test_of_two_changes_at_once_by_the_same_etag_one_is_made(
    coordinator: Coordinator, in_thread: Callable[..., Future[Any]]
) -> None:
    job = coordinator.submit()
    etag = coordinator.send("GET", path_of(job.id)).headers["etag"]
    changes = [
        in_thread(lambda n=n: patch(coordinator, job.id, {"priority": n}, etag).status_code)
        for n in range(1, 9)
    ]
    assert sorted(change.result(60) for change in changes) == [200] + [412] * 7


def test_a_job_that_is_over_can_be_deleted_with_all_that_is_kept_of_it(
    coordinator: Coordinator,
) -> None:
    kept, job = coordinator.submit(), coordinator.submit()
    coordinator.client.steer(kept.id, JobAction.PAUSE)
    work = coordinator.learner().work()
    work.push(0, 0, [1.0])
    work.note(1)
    with pytest.raises(InvalidState, match="cancel it"):
        coordinator.client.delete(job.id)
    work.complete()
    coordinator.client.delete(job.id)
    for gone in (lambda: coordinator.client.job(job.id), lambda: coordinator.client.delete(job.id)):
        with pytest.raises(NotFound):
            gone()
    with coordinator.database.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                assert job.id not in row.values(), table.name
    assert coordinator.client.job(kept.id).state is JobState.PAUSED


def test_deleting_by_an_old_etag_is_refused(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    etag = coordinator.send("GET", path_of(job.id)).headers["etag"]
    coordinator.client.steer(job.id, JobAction.CANCEL)
    headers = {"If-Match": etag}
    assert coordinator.send("DELETE", path_of(job.id), headers=headers).status_code == 412
    assert coordinator.send("DELETE", path_of(job.id)).status_code == 204


def test_who_knows_a_job_may_wait_until_it_changes(
    coordinator: Coordinator, in_thread: Callable[..., Future[Any]]
) -> None:
    job = coordinator.submit()
    etag = coordinator.send("GET", path_of(job.id)).headers["etag"]
    waits = {"If-None-Match": etag, "Prefer": "respond-async, wait=25"}
    waiting = in_thread(lambda: coordinator.send("GET", path_of(job.id), headers=waits))
    coordinator.client.steer(job.id, JobAction.PAUSE)
    answer = waiting.result(60)
    assert (answer.status_code, answer.json()["state"]) == (200, "PAUSED")
    assert answer.headers["preference-applied"] == "wait=25"


def test_a_wait_ends_in_304_when_nothing_changes(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    etag = coordinator.send("GET", path_of(job.id)).headers["etag"]
    for wish in ("wait=0.05", 'wait="1"', "wait=0"):
        headers = {"If-None-Match": etag, "Prefer": wish}
        answer = coordinator.send("GET", path_of(job.id), headers=headers)
        assert (answer.status_code, answer.headers["etag"]) == (304, etag)
    for nonsense in ("wait", "wait=", "wait=soon", "await=9", "handling=lenient"):
        headers = {"Prefer": nonsense, "If-None-Match": etag}
        answer = coordinator.send("GET", path_of(job.id), headers=headers)
        assert answer.status_code == 304
        assert "preference-applied" not in answer.headers


def test_attempts_and_snapshots_are_lists_of_their_own(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    learner = coordinator.learner()
    epochs = []
    for iteration in range(5):
        work = learner.work()
        epochs.append(work.epoch)
        work.note(iteration, version=iteration + 1)
        work.complete(Outcome.RELEASED)
    told = list(coordinator.client.attempts(job.id))
    assert [attempt.epoch for attempt in told] == epochs[::-1]
    assert {attempt.learner for attempt in told} == {"learner"}
    notes = list(coordinator.client.snapshots(job.id))
    assert [(note.epoch, note.iteration) for note in notes] == list(
        zip(epochs[::-1], range(4, -1, -1), strict=True)
    )
    assert notes[0].versions == {"Generator": 5, "Discriminator": 5}
    page = coordinator.send("GET", f"{path_of(job.id)}/attempts?pageSize=2").json()
    rest = coordinator.send(
        "GET", f"{path_of(job.id)}/attempts?pageToken={page['nextPageToken']}"
    ).json()
    listed = [attempt["epoch"] for attempt in page["items"] + rest["items"]]
    assert listed == epochs[::-1]


def test_a_job_tells_of_its_latest_attempts_only(
    coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "TRIES_TOLD", 2)
    job = coordinator.submit()
    learner = coordinator.learner()
    epochs = []
    for _ in range(3):
        work = learner.work()
        epochs.append(work.epoch)
        work.complete(Outcome.RELEASED)
    told = coordinator.client.job(job.id).attempts
    assert [attempt.epoch for attempt in told] == epochs[1:]
