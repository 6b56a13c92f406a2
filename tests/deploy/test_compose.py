"""docker-compose.yml: valid by its schema, and what it starts works when started without Docker."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganforge.wire.jobs import JobState
from tests.e2e.test_main_job import check_everything_is_there, digits
from tests.support.postgres import PostgresServer
from tests.support.system import LEARNER_TOKEN, TOKEN, System

ROOT = Path(__file__).parents[2]
SERVICES = ("repository", "coordinator", "learner")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_the_compose_file_is_valid_by_its_schema() -> None:
    words = ["--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    checked = subprocess.run(
        [str(Path(sys.executable).parent / "check-jsonschema"), *words],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_dockerfile_the_compose_file_names_is_there_and_copies_what_is_there() -> None:
    for service in compose()["services"].values():
        if "build" not in service:
            continue
        dockerfile = ROOT / service["build"]["dockerfile"]
        copies = [
            line.split()[1:-1]
            for line in dockerfile.read_text().splitlines()
            if line.startswith("COPY ")
        ]
        assert copies
        assert all((ROOT / name).exists() for names in copies for name in names)


@pytest.mark.e2e
def test_the_commands_and_environment_of_the_compose_file_train_a_job(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    system = System(tmp_path)
    # What Docker would resolve: the hosts' names, the ports, and the user's variables.
    resolved = {
        "postgresql://ganforge:${POSTGRES_PASSWORD}@postgres/ganforge": (
            postgres_server.new_database()
        ),
        "http://coordinator:8080": system.coordinator_url,
        "http://repository:8080": system.repository_url,
        "${GANFORGE_TOKEN:?set an admin token of 16 characters or more}": TOKEN,
        "${GANFORGE_LEARNER_TOKEN:?set a learner token of 16 characters or more}": LEARNER_TOKEN,
        "${GANFORGE_TOKEN}": TOKEN,
        "${GANFORGE_LEARNER_TOKEN}": LEARNER_TOKEN,
    }
    try:
        for name in SERVICES:
            told = compose()["services"][name]
            system.spawn(
                name,
                words=[
                    {"0.0.0.0": "127.0.0.1", "8080": str(system.port(name))}.get(word, word)
                    for word in told["command"]
                ],
                environment={
                    key: replace(str(value), resolved) for key, value in told["environment"].items()
                }
                | ({"GANFORGE_DATA": str(tmp_path)} if name == "learner" else {}),
            )
            system.until_ready(name)
        system.until_a_learner_is_there()
        job = system.coordinator.submit(digits(maxIterations=200))
        system.until_state(job.id, JobState.SUCCEEDED)
        check_everything_is_there(system, job.id, tmp_path)
    finally:
        system.stop()


def replace(text: str, resolved: dict[str, str]) -> str:
    for name, value in resolved.items():
        text = text.replace(name, value)
    assert "${" not in text
    return text
