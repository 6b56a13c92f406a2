from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ganforge_local.one_origin import is_repositorys
from ganforge_local.server import LocalServer
from tests.local.serving import local_server
from tests.support.readiness import ready


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with local_server(tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture
def http(server: LocalServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=server.url, headers=headers) as http:
        yield http


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/networks", True),
        ("/v1/networks/Generator/tags", True),
        ("/v1/snapshots/job-1", True),
        ("/v1/blobs/sha256:0", True),
        ("/v1/updates/job-1", True),
        ("/v1/networksx", False),
        ("/v1/jobs", False),
        ("/", False),
    ],
)
def test_each_path_has_its_service(path: str, expected: bool) -> None:
    assert is_repositorys(path) is expected


def test_both_services_answer_on_one_origin(http: httpx.Client) -> None:
    assert "Generator" in http.get("/v1/networks").text
    assert http.get("/v1/jobs").json()["items"] == []
    assert http.get("/v1/blobs/nothing").headers["Content-Type"] == "application/problem+json"
    assert http.get("/v1/nothing").status_code == 404


def test_one_openapi_document_tells_of_both(http: httpx.Client) -> None:
    told = http.get("/openapi.json").json()
    assert told["info"]["title"] == "ganforge"
    assert {"/v1/jobs", "/v1/networks", "/livez"} <= set(told["paths"])
    assert {"Job", "NetworkSummary"} <= set(told["components"]["schemas"])
    assert http.get("/docs").status_code == 200


def test_it_is_ready_when_both_are(http: httpx.Client) -> None:
    told = {"ready": True}
    assert ready(http).json() == {"ready": True, "coordinator": told, "repository": told}


def test_the_metrics_of_both_are_in_one_answer(http: httpx.Client) -> None:
    answer = http.get("/metrics")
    assert answer.status_code == 200
    families = [line for line in answer.text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))


def test_what_is_posted_reaches_its_service(http: httpx.Client) -> None:
    job = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST"}
    assert http.post("/v1/jobs", json=job).status_code == 201


def test_the_networks_are_checked_when_a_job_is_submitted(http: httpx.Client) -> None:
    job = {"networks": ["Generator", "Nobody"], "dataset": "MNIST"}
    answer = http.post("/v1/jobs", json=job)
    assert (answer.status_code, "no network Nobody" in answer.json()["detail"]) == (422, True)


def test_what_was_kept_is_there_after_a_new_start(tmp_path: Path) -> None:
    job = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST"}
    with local_server(tmp_path) as first:
        headers = {"Authorization": f"Bearer {first.token}"}
        made = httpx.post(f"{first.url}/v1/jobs", json=job, headers=headers).json()
    with local_server(tmp_path) as second:
        assert second.token == first.token
        answer = httpx.get(f"{second.url}/v1/jobs/{made['id']}", headers=headers)
        assert answer.json() == made
