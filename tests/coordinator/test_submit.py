"""Submitting: whatever is wrong with a job is said at once, in words, with what was meant."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganforge.errors import BadInput, NetworkMisfit, UnknownName
from ganforge.wire.datasets import BrokenDataset
from ganforge.wire.jobs import JobState
from ganforge_repository.app import create_app as create_repository
from ganforge_repository.settings import RepositorySettings
from tests.coordinator.conftest import Start
from tests.coordinator.running import TOKENS, Coordinator, a_job
from tests.support.learners import GAN
from tests.support.served_app import served

GOOD = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST"}
JSON = {"Content-Type": "application/json"}


def problem_of(coordinator: Coordinator, body: Any, **headers: str) -> dict[str, Any]:
    """Submit what is refused, and give the problem document."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = coordinator.send("POST", "/v1/jobs", content=content, headers={**JSON, **headers})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == 422
    assert list(coordinator.client.jobs()) == []
    return problem


def test_a_job_is_entered_whole_with_defaults_filled_in_and_a_seed_drawn(
    coordinator: Coordinator,
) -> None:
    answer = coordinator.send("POST", "/v1/jobs", role="submit", json=GOOD)
    assert answer.status_code == 201
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert answer.headers["etag"]
    assert (job["state"], job["desired"], job["tag"]) == ("QUEUED", "RUN", job["id"])
    config = job["config"]
    assert (config["strategy"], config["generatorDim"]) == ("GANLearningStrategy", 10)
    assert 0 <= config["seed"] < 2**31
    assert coordinator.client.job(job["id"]).state is JobState.QUEUED


def test_what_was_given_is_kept(coordinator: Coordinator) -> None:
    given = {"generatorDim": 100, "maxIterations": 20, "tag": "my-run", "seed": 7, "clean": True}
    job = coordinator.submit(config=given, name="Münster 🎨", priority=3)
    assert job.config.items() >= given.items()
    assert (job.tag, job.max_iterations, job.name, job.priority) == ("my-run", 20, "Münster 🎨", 3)


@pytest.mark.parametrize(
    ("config", "pointer", "meant"),
    [
        ({"generatorDimm": 10}, "/config/generatorDimm", "'generatorDim'"),
        ({"generator_dim": 10}, "/config/generator_dim", "'generatorDim'"),
        ({"strategy": "GanLearningStrategy"}, "/config/strategy", "'GANLearningStrategy'"),
        ({"strategy": []}, "/config/strategy", "GANLearningStrategy"),
        ({"strategy": None}, "/config/strategy", "GANLearningStrategy"),
        ({"a/b~c": 1}, "/config/a~1b~0c", "generatorDim"),
    ],
)
def test_an_unknown_name_is_refused_with_the_one_that_was_meant(
    coordinator: Coordinator, config: dict[str, Any], pointer: str, meant: str
) -> None:
    problem = problem_of(coordinator, {**GOOD, "config": config})
    assert problem["type"] == "/problems/unknown-name"
    assert problem["errors"][0]["pointer"] == pointer
    assert meant in problem["detail"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"augment": "COLOR,TRANSLATION"}, ["COLOR", "TRANSLATION"]),
        ({"augment": "CUTOUT"}, ["CUTOUT"]),
        ({"augment": ["COLOR"]}, ["COLOR"]),
        ({"augment": ""}, []),
        ({"samplingWeights": "1, 2.5"}, [1, 2.5]),
        ({"samplingWeights": 2}, [2]),
        ({"fixed": "Discriminator.0,Generator"}, ["Discriminator.0", "Generator"]),
        ({"trainSet": "0-10,20-30"}, "0-10,20-30"),
    ],
)
def test_a_list_may_be_said_with_commas(
    coordinator: Coordinator, given: dict[str, Any], kept: Any
) -> None:
    (key,) = given
    assert coordinator.submit(config=given).config[key] == kept


@pytest.mark.parametrize(
    "config", [{"augment": "COLOR,NOISE"}, {"samplingWeights": "1,two"}, {"samplingWeights": True}]
)
def test_a_list_with_something_else_in_it_is_refused_by_name(
    coordinator: Coordinator, config: dict[str, Any]
) -> None:
    (key,) = config
    detail = problem_of(coordinator, {**GOOD, "config": config})["detail"]
    assert detail.startswith(key)


def test_a_dataset_that_no_learner_has_is_refused_once_learners_are_there(
    coordinator: Coordinator,
) -> None:
    coordinator.submit(dataset="NMIST")  # nobody is there yet who could know
    coordinator.learner()
    with pytest.raises(UnknownName, match="did you mean 'MNIST'") as refused:
        coordinator.submit(dataset="NMIST")
    assert refused.value.members["known"] == ["MNIST", "digits"]


def test_a_dataset_that_is_broken_is_refused_with_what_is_wrong(coordinator: Coordinator) -> None:
    broken = BrokenDataset(name="Pets", problem="Pets/1.png is no PNG or JPEG")
    coordinator.learner(broken_datasets=[broken])
    assert {info.name for info in coordinator.client.datasets()} == {"MNIST", "digits"}
    [told] = coordinator.client.learners()
    assert told.datasets == ["MNIST", "digits"]
    with pytest.raises(BadInput, match=r"'Pets' cannot be read: Pets/1\.png is no PNG"):
        coordinator.submit(dataset="Pets")


@pytest.mark.parametrize(
    "config",
    [
        {"generatorDim": "ten"},
        {"generatorDim": 0},
        {"generatorDim": 10.5},
        {"generatorDim": True},
        {"generatorDim": 10**30},
        {"generatorDim": {}},
        {"maxIterations": 2**53},
        {"maxIterations": 10**400},
        {"seed": -1},
        {"method": "sgd"},
        {"momentum": 1},
        {"learningRate": 0},
        {"clean": "yes"},
        {"tag": "has space"},
        {"tag": "x" * 65},
        {"initTag": ["a"]},
    ],
)
def test_an_ill_typed_value_is_refused_by_name(
    coordinator: Coordinator, config: dict[str, Any]
) -> None:
    problem = problem_of(coordinator, {**GOOD, "config": config})
    (key,) = config
    assert problem["type"] == "/problems/bad-input"
    assert problem["errors"][0]["pointer"] == f"/config/{key}"
    assert problem["detail"].startswith(f"{key}: ")


@pytest.mark.parametrize(
    "change",
    [
        {"networks": []},
        {"networks": ["Generator"] * 9},
        {"networks": "Generator"},
        {"networks": ["../../etc"]},
        {"dataset": ""},
        {"dataset": 7},
        {"dataset": "x" * 65},
        {"priority": 101},
        {"priority": 10**30},
        {"targetCount": 0},
        {"targetFilter": "(gpu=*)", "unknown": 1},
        {"config": []},
        {"name": ""},
        {"name": "x" * 201},
    ],
)
def test_a_malformed_job_is_refused_with_a_pointer_to_the_field(
    coordinator: Coordinator, change: dict[str, Any]
) -> None:
    problem = problem_of(coordinator, {**GOOD, **change})
    assert problem["errors"][0]["pointer"].split("/")[1] in change


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"job"',
        b"\xff\xfe",
        b'{"networks": ["Generator", "Discriminator"], "dataset": "MNIST", "config": {"l2": NaN}}',
        b'{"networks": ["Generator"], "dataset": "MNIST", "config": {"l2": 1e400}}',
        b'{"networks": ["Generator"], "dataset": "MNIST", "config": {"tag": "\\ud800"}}',
        b'{"networks": ["Generator"], "dataset": "MNIST", "config": {"\\ud800": 1}}',
        b'{"networks": ["Generator"], "dataset": "MNIST", "\\ud800": 1}',
        b'{"networks": ["Generator"], "dataset": "MNIST", "name": "\\ud800"}',
        b'{"networks": ["Generator"], "dataset": "MNIST", "config": {"tag": '
        + b"[" * 500
        + b"]" * 500
        + b"}}",
    ],
)
def test_a_body_that_is_no_job_is_refused_in_words(coordinator: Coordinator, body: bytes) -> None:
    assert problem_of(coordinator, body)["detail"]


def test_a_body_nested_beyond_measure_is_refused(coordinator: Coordinator) -> None:
    body = b'{"config": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    answer = coordinator.send("POST", "/v1/jobs", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_malformed_json_is_told_where(coordinator: Coordinator) -> None:
    problem = problem_of(coordinator, b'{"networks": [}')
    assert "not JSON" in problem["detail"]
    assert "character 14" in problem["detail"]
    assert "errors" not in problem


def test_a_body_that_does_not_say_it_is_json_is_refused(coordinator: Coordinator) -> None:
    answer = coordinator.send(
        "POST",
        "/v1/jobs",
        content=json.dumps(GOOD).encode(),
        headers={"Content-Type": "text/plain"},
    )
    assert answer.status_code == 415


def test_several_learners_for_a_job_are_refused_in_words(coordinator: Coordinator) -> None:
    with pytest.raises(BadInput, match="targetCount: no learner here can follow GANLearningStr"):
        coordinator.submit(target_count=2)
    coordinator.learner()
    problem = problem_of(coordinator, {**GOOD, "targetCount": 2})
    assert problem["errors"][0]["pointer"] == "/targetCount"
    few = GAN.model_copy(update={"max_learners": 3})
    coordinator.learner("few", strategies=[few])
    with pytest.raises(BadInput, match="at most 3 learners can follow GANLearningStrategy"):
        coordinator.submit(target_count=4)
    assert coordinator.submit(target_count=3).target_count == 3


@pytest.mark.parametrize("name", ["\x00", "a\x00b"])
def test_a_name_that_a_database_cannot_hold_gives_no_server_error(
    coordinator: Coordinator, name: str
) -> None:
    answer = coordinator.send("POST", "/v1/jobs", json={**GOOD, "name": name})
    assert answer.status_code in (201, 422)


@pytest.fixture
def repository_url(tmp_path: Path) -> Iterator[str]:
    repository = create_repository(
        RepositorySettings(data=tmp_path / "repository", tokens=f"admin:{TOKENS['admin']}")
    )
    with served(repository) as url:
        yield url


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_networks_are_checked_at_the_repository(start: Start, repository_url: str) -> None:
    with start(repository_url=repository_url, repository_token=TOKENS["admin"]) as coordinator:
        coordinator.learner()
        coordinator.submit()
        with pytest.raises(UnknownName, match="Generatr"):
            coordinator.submit(networks=["Generatr", "Discriminator"])
        with pytest.raises(NetworkMisfit, match="generatorDim"):
            coordinator.submit(config={"generatorDim": 11})
        with pytest.raises(NetworkMisfit):
            coordinator.submit(dataset="digits")
        with pytest.raises(BadInput, match="a generator and a discriminator"):
            coordinator.submit(networks=["Generator"])
        with pytest.raises(UnknownName, match="nowhere"):
            coordinator.submit(config={"initTag": "nowhere"})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_coordinator_the_repository_does_not_let_in_still_takes_jobs(
    start: Start, repository_url: str
) -> None:
    with start(repository_url=repository_url, repository_token="not-the-token-0123") as coordinator:
        assert coordinator.client.submit(a_job()).state is JobState.QUEUED


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_job_is_taken_when_the_repository_is_away(start: Start) -> None:
    with start(repository_url="http://127.0.0.1:9", repository_token="nothing") as coordinator:
        assert coordinator.client.submit(a_job()).state is JobState.QUEUED


def test_a_recipe_says_what_is_left_out_and_stays_in_the_config(coordinator: Coordinator) -> None:
    given = {"config": {"recipe": "digits", "batchSize": 7}}
    answer = coordinator.send("POST", "/v1/jobs", role="submit", json=given)
    assert answer.status_code == 201, answer.text
    job = answer.json()
    assert job["networks"] == ["DigitsGenerator", "DigitsDiscriminator"]
    assert job["dataset"] == "digits"
    config = job["config"]
    assert (config["recipe"], config["batchSize"], config["beta1"]) == ("digits", 7, 0.5)


def test_the_recipes_can_be_asked_for(coordinator: Coordinator) -> None:
    names = [recipe.name for recipe in coordinator.client.recipes()]
    assert {"digits", "seed", "mnist"} <= set(names)


@pytest.mark.parametrize("body", [{}, {"networks": ["Generator"]}, {"dataset": "MNIST"}])
def test_without_a_recipe_networks_and_dataset_are_asked_for(
    coordinator: Coordinator, body: dict[str, Any]
) -> None:
    assert "recipe" in problem_of(coordinator, body)["detail"]
    unknown = problem_of(coordinator, {**body, "config": {"recipe": "digts"}})
    assert "'digits'" in unknown["detail"]
