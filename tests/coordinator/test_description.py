"""The coordinator does what its OpenAPI description says, and refuses what that does not allow."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.coordinator.running import Coordinator
from tests.support import openapi

ROOT = Path(__file__).parents[2]


@pytest.fixture
def document(coordinator: Coordinator) -> dict[str, Any]:
    told: dict[str, Any] = coordinator.http.get("/openapi.json").json()
    return told


def test_no_operation_id_changes_or_vanishes(document: dict[str, Any]) -> None:
    openapi.check_ids(document, Path(__file__).with_name("operations.txt"))


def test_every_request_and_answer_has_an_example_that_its_schema_allows(
    document: dict[str, Any],
) -> None:
    openapi.check_examples(document)


def test_answers_link_to_the_calls_they_make_possible(document: dict[str, Any]) -> None:
    of_job = ("getJob", "stopJob", "followJob", "getProgress", "editJob", "deleteJob")
    of_attempt = ("heartbeat", "pushProgress", "noteSnapshot", "completeAttempt", "getJob")
    openapi.check_links(
        document,
        *(("submitJob", name) for name in of_job),
        *(("claimJob", name) for name in of_attempt),
        ("registerLearner", "claimJob"),
        ("createToken", "revokeToken"),
        ("listJobs", "getJob"),
    )


def test_the_headers_of_answers_are_described(document: dict[str, Any]) -> None:
    openapi.check_headers(document)
    made = document["paths"]["/v1/jobs"]["post"]["responses"]["201"]
    assert {"ETag", "Location"} <= set(made["headers"])


@pytest.mark.timeout(900)
def test_examples_and_edge_cases_of_every_call_hold_every_check() -> None:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    told = subprocess.run(
        [sys.executable, "-m", "bench.schemathesis", "--short"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout[-20_000:]
