"""Quality during training and by evaluate jobs, over real processes."""

import json
import re
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from ganforge.cli.application import cli
from ganforge.client import Client
from ganforge.errors import BadInput, NetworkMisfit, UnknownName
from ganforge.wire.jobs import Job, JobState
from ganforge.wire.weights import VersionRef
from tests.e2e.test_main_job import digits
from tests.support.system import TOKEN, System

pytestmark = pytest.mark.e2e

NETWORKS = ("DigitsGenerator", "DigitsDiscriminator")


@pytest.fixture(scope="module")
def evaluated(system: System) -> Job:
    """A job that ended, its versions evaluated on the way."""
    keys = {"method": "ADAM", "learningRate": 0.001, "batchSize": 32, "storeInterval": 10_000}
    job = system.coordinator.submit(digits(maxIterations=600, evalInterval=200, **keys))
    return system.until_state(job.id, JobState.SUCCEEDED)


@pytest.fixture
def client(system: System, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("GANFORGE_COORDINATOR_URL", system.coordinator_url)
    monkeypatch.setenv("GANFORGE_REPOSITORY_URL", system.repository_url)
    monkeypatch.setenv("GANFORGE_TOKEN", TOKEN)
    with Client() as client:
        yield client


def test_every_version_that_is_due_is_evaluated_and_the_best_gets_the_tag(
    system: System, evaluated: Job
) -> None:
    notes = system.coordinator.quality(evaluated.id)
    versions = list(system.repository.versions(NETWORKS[0], evaluated.tag))

    assert [note.iteration for note in notes] == [200, 400, 600]
    assert [version.iteration for version in versions] == [600, 400, 200, 0]
    known = {version.version: version.quality for version in versions}
    assert known.pop(1) is None
    assert known == {note.version: note.quality for note in notes}
    best = min(notes, key=lambda note: note.quality.fcd)
    assert best.is_best
    for network in NETWORKS:
        told = system.repository.version(network, "best")
        assert told.parent == VersionRef(tag=evaluated.tag, version=best.version)
    for note in notes:
        assert note.quality.samples == 898
        assert note.quality.judge.accuracy >= 0.9
        assert note.quality.floor.fcd < note.quality.fcd
    events = [each for each in system.coordinator.follow(evaluated.id) if each.type == "quality"]
    assert [event.data["version"] for event in events] == [note.version for note in notes]


def test_the_judge_is_kept_as_a_network_like_any_other(system: System, evaluated: Job) -> None:
    judge = system.coordinator.quality(evaluated.id)[0].quality.judge

    assert judge.network == "Judge-digits"
    version = system.repository.version(judge.network, judge.tag)
    assert version.digest == judge.digest
    assert version.version == 1


def test_an_evaluate_job_prints_every_figure_beside_that_of_real_images(
    system: System, client: Client, evaluated: Job
) -> None:
    reference = f"{NETWORKS[0]}@{evaluated.tag}:4"
    result = CliRunner().invoke(cli, ["evaluate", reference, "digits", "samples=300"])

    assert result.exit_code == 0, result.output
    rows = [re.split(r"\s{2,}", line) for line in result.stdout.splitlines()]
    table = {words[0]: words[1:] for words in rows}
    assert {"precision", "recall", "density", "coverage", "near-copies"} <= table.keys()
    generator, real = map(float, table["Frechet classifier distance"][:2])
    assert generator > real
    printed = CliRunner().invoke(cli, ["evaluate", reference, "digits", "samples=300", "--json"])
    told = json.loads(printed.stdout)
    assert told["quality"]["fcd"] == pytest.approx(generator, abs=0.01)
    assert told["version"] == 4
    job = next(client.jobs.list())
    assert job.state is JobState.SUCCEEDED
    assert job.progress is not None
    assert job.progress.extra["coverage"] is not None
    # The newest figures are those kept with the version.
    kept = client.weights.version(NETWORKS[0], tag=evaluated.tag, version=4).quality
    assert kept is not None
    assert kept.samples == 300


def test_an_evaluation_that_cannot_be_done_is_refused_in_words(
    client: Client, evaluated: Job
) -> None:
    with pytest.raises(UnknownName, match="there is no version 99"):
        client.evaluate(NETWORKS[0], "digits", tag=evaluated.tag, version=99)
    with pytest.raises(UnknownName, match="nothing"):
        client.evaluate(NETWORKS[0], "digits", tag="nothing", version=1)
    with pytest.raises(UnknownName, match="did you mean 'samples'"):
        client.evaluate(NETWORKS[0], "digits", tag=evaluated.tag, sample=100)
    with pytest.raises(NetworkMisfit, match="no generator"):
        client.evaluate(NETWORKS[1], "digits", tag=evaluated.tag)
    with pytest.raises(BadInput, match="tag: name the line"):
        client.learn([NETWORKS[0]], "digits", strategy="EvaluationStrategy")
    with pytest.raises(BadInput, match="takes one generator"):
        client.learn(NETWORKS, "digits", strategy="EvaluationStrategy", tag=evaluated.tag)
