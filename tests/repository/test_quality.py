"""The quality of versions, and the tag of the best one."""

import numpy as np
import pytest

from ganforge.errors import NotAllowed, NotFound
from ganforge.networks import NetworkDefinition
from ganforge.networks.definition import Flatten, Linear
from ganforge.wire.quality import QualityReport
from ganforge.wire.weights import QualityReply, VersionRef
from tests.repository.conftest import Repository
from tests.repository.files import file_with, weights_of
from tests.support.qualities import JUDGE, quality

PLACE = ("Generator", "run")


def learn(repository: Repository, *iterations: int, job: str = "job", tag: str = "run") -> None:
    """Commit a snapshot of both networks at each iteration."""
    client = repository.client("learner")
    client.open_epoch(job, 1, tag=tag)
    for iteration in iterations:
        client.commit_snapshot(job, repository.commit_of(1, iteration, tag=tag))


def judged(repository: Repository, version: int, fcd: float, tag: str = "run") -> QualityReply:
    """Bring a version's quality, for ``best`` to be pointed at it."""
    report = QualityReport(quality=quality(fcd), promote=True)
    return repository.client("learner").put_quality("Generator", tag, version, report)


def test_the_quality_is_told_with_the_version(repository: Repository) -> None:
    learn(repository, 0, 10)
    report = QualityReport(quality=quality(54.2))

    reply = repository.client("learner").put_quality(*PLACE, 2, report)

    assert reply.version.quality == quality(54.2)
    assert not reply.is_best
    client = repository.client("read")
    assert client.version(*PLACE, 2).quality == quality(54.2)
    assert [each.quality for each in client.versions(*PLACE)] == [quality(54.2), None]
    assert "best" not in [tag.tag for tag in client.tags("Generator")]
    shown = repository.send("GET", "/v1/networks/Generator/tags/run/versions/2").json()
    assert shown["quality"]["fcd"] == 54.2
    assert shown["quality"]["floor"]["classesCovered"] == 10


def test_best_points_at_the_lowest_distance_with_all_its_networks(repository: Repository) -> None:
    learn(repository, 0, 10, 20)

    told = [judged(repository, version, fcd) for version, fcd in ((1, 90.0), (2, 40.0), (3, 50.0))]

    assert [reply.is_best for reply in told] == [True, True, False]
    for network in ("Generator", "Discriminator"):
        best = repository.client().version(network, "best")
        assert best.parent == VersionRef(tag="run", version=2)
        assert best.digest == repository.client().version(network, "run", 2).digest
    best = repository.client().version("Generator", "best")
    assert best.quality == quality(40.0)


def test_saying_it_again_changes_nothing(repository: Repository) -> None:
    learn(repository, 0, 10)

    assert judged(repository, 2, 40.0) == judged(repository, 2, 40.0)

    assert repository.client().version("Generator", "best").version == 1


def test_another_job_is_best_only_when_it_is_better(repository: Repository) -> None:
    learn(repository, 10)
    learn(repository, 10, 20, job="other", tag="other")
    judged(repository, 1, 40.0)

    assert not judged(repository, 1, 60.0, tag="other").is_best
    assert judged(repository, 2, 30.0, tag="other").is_best


def test_figures_of_another_judge_cannot_be_compared(repository: Repository) -> None:
    learn(repository, 10, 20)
    judged(repository, 1, 40.0)
    other = JUDGE.model_copy(update={"digest": "sha256:" + 64 * "1"})
    report = QualityReport(quality=quality(700.0, judge=other), promote=True)

    assert repository.client("learner").put_quality(*PLACE, 2, report).is_best


def test_weights_that_a_person_brought_can_be_the_best_as_well(repository: Repository) -> None:
    repository.client().push(*PLACE, repository.file(weights_of("Generator")))

    assert judged(repository, 1, 40.0).is_best


def test_quality_is_for_learners_to_tell_of_versions_that_are_there(
    repository: Repository,
) -> None:
    learn(repository, 10)
    report = QualityReport(quality=quality(40.0))

    with pytest.raises(NotAllowed):
        repository.client("submit").put_quality(*PLACE, 1, report)
    with pytest.raises(NotFound, match="no version 7"):
        repository.client("learner").put_quality(*PLACE, 7, report)
    broken = report.model_dump(mode="json", by_alias=True)
    broken["quality"]["precision"] = 1.5
    path = "/v1/networks/Generator/tags/run/versions/1/quality"
    assert repository.send("PUT", path, json=broken).status_code == 422


def test_a_learner_may_bring_judges_and_nothing_else(repository: Repository) -> None:
    definition = NetworkDefinition(
        name="Judge-MNIST", input=(1, 28, 28), modules=(Flatten(), Linear(out=10, bias=False))
    ).model_dump(mode="json")
    client = repository.client("learner")

    client.put_network("Judge-MNIST", definition)
    file = file_with({"1.weight": np.zeros((10, 784), "<f4")}, {"1.weight": "F32"})
    assert client.push("Judge-MNIST", "0123", repository.file(file)).version == 1
    with pytest.raises(NotAllowed):
        client.put_network("Mine", {**definition, "name": "Mine"})
    with pytest.raises(NotAllowed):
        client.push(*PLACE, repository.file(weights_of("Generator")))
