"""The HTTP edge: problems, roles, conditions, pages, OpenAPI."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from ganforge.errors import InvalidState
from ganforge.wire.jobs import JobAction, JobState
from ganforge.wire.learning import Outcome
from ganforge.wire.strategies import BUILT_IN
from ganforge_coordinator.db.models import learners
from tests.coordinator.conftest import Start
from tests.coordinator.running import Coordinator
from tests.support.learners import registration
from tests.support.readiness import ready

PROBLEM = "application/problem+json"
NOBODY = "job-00000000"
ATTEMPT = "/v1/attempts/00000000-0000-0000-0000-000000000000"


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


PATHS = [
    ("GET", "/v1/jobs", "read"),
    ("POST", "/v1/jobs", "submit"),
    ("GET", f"/v1/jobs/{NOBODY}", "read"),
    ("POST", f"/v1/jobs/{NOBODY}/stop", "submit"),
    ("GET", f"/v1/jobs/{NOBODY}/progress", "read"),
    ("GET", f"/v1/jobs/{NOBODY}/progress.ndjson", "read"),
    ("GET", f"/v1/jobs/{NOBODY}/events", "read"),
    ("PATCH", f"/v1/jobs/{NOBODY}", "submit"),
    ("DELETE", f"/v1/jobs/{NOBODY}", "submit"),
    ("GET", f"/v1/jobs/{NOBODY}/attempts", "read"),
    ("GET", f"/v1/jobs/{NOBODY}/snapshots", "read"),
    ("GET", "/v1/caller", "read"),
    ("GET", "/v1/tokens", "admin"),
    ("POST", "/v1/tokens", "admin"),
    ("DELETE", "/v1/tokens/nobody", "admin"),
    ("GET", "/v1/learners", "read"),
    ("GET", "/v1/datasets", "read"),
    ("GET", "/v1/strategies", "read"),
    ("POST", "/v1/learners", "learner"),
    ("POST", "/v1/learners/nobody/claim", "learner"),
    ("POST", f"{ATTEMPT}/heartbeat", "learner"),
    ("POST", f"{ATTEMPT}/progress", "learner"),
    ("POST", f"{ATTEMPT}/snapshots", "learner"),
    ("POST", f"{ATTEMPT}/complete", "learner"),
]


@pytest.mark.parametrize(("method", "path", "role"), PATHS)
def test_nobody_comes_in_without_a_token_or_with_one_of_another_role(
    coordinator: Coordinator, method: str, path: str, role: str
) -> None:
    answer = coordinator.http.request(method, path)
    assert is_problem(answer, 401)["type"] == "/problems/not-authenticated"
    assert answer.headers["www-authenticate"] == "Bearer"
    wrong = {"Authorization": "Bearer gf_somebody_elses_token"}
    refused = coordinator.http.request(method, path, headers=wrong)
    is_problem(refused, 401)
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    others = {
        "read": [],
        "submit": ["read", "learner"],
        "learner": ["read", "submit"],
        "admin": ["read", "submit", "learner"],
    }
    for other in others[role]:
        refused = coordinator.send(method, path, role=other)
        assert role in is_problem(refused, 403)["detail"]
        challenge = f'Bearer error="insufficient_scope", scope="{role}"'
        assert refused.headers["www-authenticate"] == challenge


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", f"/v1/jobs/{NOBODY}", 404),
        ("GET", "/v1/jobs/my-run", 404),
        ("GET", f"/v1/jobs/{NOBODY}/progress", 404),
        ("GET", f"/v1/jobs/{NOBODY}/progress.ndjson", 404),
        ("GET", f"/v1/jobs/{NOBODY}/events", 404),
        ("POST", f"/v1/jobs/{NOBODY}/stop", 404),
        ("POST", f"/v1/jobs/{NOBODY}/explode", 404),
        ("POST", f"/v1/jobs/{NOBODY}/progress", 405),
        ("DELETE", "/v1/jobs", 405),
        ("PUT", f"/v1/jobs/{NOBODY}", 405),
        ("GET", "/v1/jobs?pageSize=0", 422),
        ("GET", "/v1/jobs?pageSize=many", 422),
        ("GET", "/v1/jobs?state=SLEEPING", 422),
        ("GET", "/v1/jobs?pageToken=nonsense", 422),
        ("GET", "/v1/jobs?pageToken=%FF", 422),
        ("GET", "/v1/jobs?pageToken=MTphAA==", 422),
        ("GET", "/v1/jobs?pageToken=%00", 422),
        ("GET", f"/v1/jobs/{NOBODY}/progress?maxPoints=1", 422),
        ("GET", f"/v1/jobs/{NOBODY}/progress?from=-1", 422),
        ("GET", f"/v1/jobs/{NOBODY}/progress?to=99999999999999999999", 422),
        ("GET", f"/v1/jobs/{NOBODY}/events?after=99999999999999999999", 422),
        ("GET", f"/v1/jobs/{'x' * 65}", 422),
    ],
)
def test_what_cannot_be_answered_is_a_problem_document(
    coordinator: Coordinator, method: str, path: str, status: int
) -> None:
    answer = coordinator.send(method, path)
    is_problem(answer, status)
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/v1/jobs/a%00b", "/v1/jobs/a%00b/events"])
def test_a_name_with_a_nul_is_no_server_error(coordinator: Coordinator, path: str) -> None:
    is_problem(coordinator.send("GET", path), 404)
    is_problem(coordinator.send("POST", "/v1/attempts/a%00b/heartbeat", json={}), 404)


@pytest.mark.parametrize("what", ["heartbeat", "progress", "snapshots", "complete"])
def test_an_unknown_attempt_is_a_lost_lease(coordinator: Coordinator, what: str) -> None:
    body = {
        "heartbeat": {},
        "progress": {"seq": 0, "first": 0, "series": {"a": [1.0]}},
        "snapshots": {"iteration": 1, "versions": {}},
        "complete": {"outcome": "SUCCEEDED", "iteration": 1},
    }[what]
    answer = coordinator.send("POST", f"{ATTEMPT}/{what}", json=body)
    assert is_problem(answer, 409)["type"] == "/problems/lease-lost"


def test_a_state_that_does_not_allow_it_says_what_it_does_allow(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    with pytest.raises(InvalidState) as refused:
        coordinator.client.steer(job.id, JobAction.RETRY)
    assert refused.value.members["allowed"] == ["stop", "pause", "resume", "cancel"]


@pytest.mark.parametrize("action", ["stop", "pause", "resume", "cancel"])
def test_steering_twice_gives_the_same_job(coordinator: Coordinator, action: JobAction) -> None:
    job = coordinator.submit()
    once = coordinator.client.steer(job.id, JobAction(action))
    assert coordinator.client.steer(job.id, JobAction(action)) == once


def test_a_body_beyond_the_limit_is_refused_by_its_length_and_while_it_arrives(
    coordinator: Coordinator,
) -> None:
    piece = b" " * (1 << 20)

    def pieces() -> Iterator[bytes]:
        for _ in range(12):
            yield piece

    headers = {"Content-Type": "application/json"}
    for content in (piece * 9, pieces()):
        try:
            answer = coordinator.send("POST", "/v1/jobs", content=content, headers=headers)
        except (httpx.WriteError, httpx.ReadError):
            continue  # it hung up on us, which is an answer too
        is_problem(answer, 413)
    assert coordinator.submit()


def test_a_bug_is_a_problem_that_tells_nothing_and_is_logged(
    coordinator: Coordinator, caplog: pytest.LogCaptureFixture
) -> None:
    coordinator.learner()
    with coordinator.database.write() as connection:
        connection.execute(update(learners).values(datasets=[{"secret": "of the house"}]))
    answer = coordinator.send("GET", "/v1/datasets")
    is_problem(answer, 500)
    assert "secret" not in answer.text
    assert "a bug: please report it" in caplog.text


def test_if_none_match_saves_the_body_until_something_changes(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    path = f"/v1/jobs/{job.id}"
    etag = coordinator.send("GET", path).headers["etag"]
    assert re.fullmatch('"[^"]+"', etag)
    for header in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = coordinator.send("GET", path, headers={"If-None-Match": header})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    for header in ('"other"', "nonsense", ""):
        assert coordinator.send("GET", path, headers={"If-None-Match": header}).status_code == 200
    work = coordinator.learner().work()
    seen = {etag}
    for change in (
        lambda: work.push(0, 0, [1.0]),
        lambda: work.note(1),
        lambda: coordinator.client.steer(job.id, JobAction.STOP),
        work.complete,
    ):
        change()
        answer = coordinator.send("GET", path, headers={"If-None-Match": etag})
        assert answer.status_code == 200
        etag = answer.headers["etag"]
        assert etag not in seen
        seen.add(etag)


def test_the_etag_of_a_change_is_that_of_the_next_look(coordinator: Coordinator) -> None:
    body = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST"}
    made = coordinator.send("POST", "/v1/jobs", json=body)
    path = f"/v1/jobs/{made.json()['id']}"
    assert coordinator.send("GET", path).headers["etag"] == made.headers["etag"]
    paused = coordinator.send("POST", f"{path}/pause")
    assert coordinator.send("GET", path).headers["etag"] == paused.headers["etag"]


def test_pages_follow_one_another_while_jobs_come_in(coordinator: Coordinator) -> None:
    first = [coordinator.submit().id for _ in range(7)]
    seen: list[str] = []
    params: dict[str, Any] = {"pageSize": 2}
    for _ in itertools.count():
        page = coordinator.send("GET", "/v1/jobs", params=params).json()
        seen += [job["id"] for job in page["items"]]
        coordinator.submit()
        if page["nextPageToken"] is None:
            break
        params["pageToken"] = page["nextPageToken"]
    assert seen == first[::-1]


def test_jobs_are_listed_by_state(coordinator: Coordinator) -> None:
    kept = coordinator.submit()
    gone = coordinator.submit()
    coordinator.client.steer(gone.id, JobAction.CANCEL)
    queued = list(coordinator.client.jobs(states=[JobState.QUEUED]))
    assert [job.id for job in queued] == [kept.id]
    both = coordinator.client.jobs(states=[JobState.QUEUED, JobState.CANCELLED])
    assert [job.id for job in both] == [gone.id, kept.id]


def test_learners_tell_what_they_work_on_and_what_they_can_do(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    work = coordinator.learner("busy").work()
    (told,) = coordinator.client.learners()
    assert (told.name, told.job, told.is_alive) == ("busy", job.id, True)
    assert told.datasets == ["MNIST", "digits"]
    assert [info.name for info in coordinator.client.datasets()] == ["MNIST", "digits"]
    strategies = list(coordinator.client.strategies())
    *learning, evaluation = strategies
    assert [strategy.name for strategy in learning] == list(BUILT_IN)
    assert evaluation.name == "EvaluationStrategy"
    for strategy in learning:
        assert "generatorDim" in strategy.config_schema["properties"]
    work.complete(Outcome.RELEASED)
    assert coordinator.client.learners()[0].job is None


def test_a_learner_is_asked_for_three_beats_to_a_lease(start: Start) -> None:
    with start(lease_seconds=3, heartbeat_seconds=10) as coordinator:
        rhythm = coordinator.client.register(registration())
        assert (rhythm.lease_seconds, rhythm.heartbeat_seconds) == (3, 1)


def test_readiness_ends_when_the_service_stops_but_it_still_lives(start: Start) -> None:
    with start() as coordinator:
        told = ready(coordinator.http, "/readyz?verbose").json()
        assert told["checks"] == dict.fromkeys(("database", "schema", "reaper"), "ok")
        coordinator.app.state.stop()
        is_problem(coordinator.http.get("/readyz"), 503)
        assert coordinator.http.get("/livez").text == "ok"
        assert coordinator.http.get("/metrics").status_code == 200


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_openapi_describes_every_operation_and_its_problems(coordinator: Coordinator) -> None:
    document = coordinator.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    seen = set()
    for name, operation in operations(document):
        identity = operation["operationId"]
        assert re.fullmatch("[a-z][A-Za-z]*", identity), name
        assert identity not in seen
        seen.add(identity)
        assert operation["description"], name
        assert operation["tags"], name
        assert "422" not in operation["responses"], name
        assert PROBLEM in operation["responses"]["default"]["content"], name
    refs = re.findall('"\\$ref": ?"#/components/schemas/([^"]+)"', str(document).replace("'", '"'))
    assert set(refs) <= set(document["components"]["schemas"])
