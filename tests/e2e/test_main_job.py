"""A learn job from the POST to the fetched weights, over real processes."""

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from ganforge.networks import NetworkDefinition
from ganforge.wire.jobs import JobAction, JobState, LearnJob
from ganforge_learner import build_network
from tests.support.system import System

pytestmark = pytest.mark.e2e

ITERATIONS = 600

DIGITS = LearnJob(
    networks=["DigitsGenerator", "DigitsDiscriminator"],
    dataset="digits",
    config={
        "strategy": "GANLearningStrategy",
        "generatorDim": 10,
        "batchSize": 16,
        "method": "SGD",
        "learningRate": 0.01,
        "momentum": 0.9,
        "storeInterval": 100,
        "maxIterations": ITERATIONS,
        "seed": 7,
    },
)


def digits(**config: object) -> LearnJob:
    """The job, with other config keys."""
    return DIGITS.model_copy(update={"config": {**DIGITS.config, **config}})


def check_everything_is_there(system: System, job_id: str, folder: Path) -> None:
    """Every iteration once and in order; every version whole, loadable and with its grid."""
    job = system.job(job_id)
    points = system.coordinator.progress(job_id, max_points=100_000)
    assert points.iterations == list(range(job.iteration))
    assert set(points.series) == {"minibatchLoss", "dLossReal", "dLossFake"}
    for name in job.networks:
        module = build_network(
            NetworkDefinition.model_validate(system.repository.network(name).definition)
        )
        versions = list(system.repository.versions(name, job.tag))
        assert [version.version for version in versions] == list(range(len(versions), 0, -1))
        for version in versions:
            path = system.repository.pull(
                name, job.tag, version.version, to=folder / f"{name}-{version.version}"
            )
            module.load_state_dict(load_file(path))
        assert versions[0].iteration == job.iteration
        assert versions[0].version == job.weights[name].version
    for version in system.repository.versions(job.networks[0], job.tag):
        grid = system.repository.samples(job.networks[0], job.tag, version.version)
        assert Image.open(io.BytesIO(grid)).width > 100


def test_a_job_is_trained_followed_and_fetched(system: System, tmp_path: Path) -> None:
    job = system.coordinator.submit(DIGITS)
    events = list(system.coordinator.follow(job.id))
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    states = [event.data["state"] for event in events if event.type == "state"]
    assert states == ["QUEUED", "STARTING", "RUNNING", "SUCCEEDED"]
    snapshots = [event.data["iteration"] for event in events if event.type == "snapshot"]
    assert snapshots == list(range(0, ITERATIONS + 1, 100))
    assert system.job(job.id).reason == "COMPLETED"
    check_everything_is_there(system, job.id, tmp_path)


def test_a_grid_can_be_fetched_while_the_job_still_trains(system: System, tmp_path: Path) -> None:
    job = system.coordinator.submit(digits(maxIterations=None))
    for event in system.coordinator.follow(job.id):
        if event.type == "snapshot" and event.data["iteration"] >= 300:
            break
    version = system.job(job.id).weights["DigitsGenerator"].version
    assert system.repository.samples("DigitsGenerator", job.tag, version)[:4] == b"\x89PNG"
    assert system.job(job.id).state is JobState.RUNNING
    system.coordinator.steer(job.id, JobAction.STOP)
    stopped = system.until_state(job.id, JobState.SUCCEEDED)
    assert stopped.reason == "STOPPED_EARLY"
    check_everything_is_there(system, job.id, tmp_path)


def test_a_paused_job_goes_on_exactly_where_it_was(system: System, tmp_path: Path) -> None:
    job = system.coordinator.submit(digits(maxIterations=1500))
    system.until_iteration(job.id, 100)
    system.coordinator.steer(job.id, JobAction.PAUSE)
    paused = system.until_state(job.id, JobState.PAUSED)
    system.coordinator.steer(job.id, JobAction.RESUME)
    system.until_state(job.id, JobState.SUCCEEDED)
    second = system.job(job.id).attempts[-1]
    assert second.resume_iteration == paused.iteration
    check_everything_is_there(system, job.id, tmp_path)
    undisturbed = system.coordinator.submit(digits(maxIterations=1500))
    system.until_state(undisturbed.id, JobState.SUCCEEDED)
    for name in job.networks:
        resumed_digest = system.repository.version(name, job.tag).digest
        assert resumed_digest == system.repository.version(name, undisturbed.tag).digest


def test_a_diverging_job_fails_with_its_iteration_and_keeps_the_last_good_snapshot(
    system: System, tmp_path: Path
) -> None:
    job = system.coordinator.submit(digits(learningRate=1e30, storeInterval=1))
    failed = system.until_state(job.id, JobState.FAILED)
    assert failed.error is not None
    assert failed.error.slug == "diverged"
    assert failed.error.iteration is not None
    assert "learningRate" in failed.error.detail
    path = system.repository.pull("DigitsGenerator", job.tag, to=tmp_path / "good")
    assert all(bool(torch.isfinite(tensor).all()) for tensor in load_file(path).values())


def test_a_diverging_job_goes_back_to_its_snapshot_as_often_as_it_may(system: System) -> None:
    job = system.coordinator.submit(digits(learningRate=1e30, storeInterval=1, NaNretry=2))
    failed = system.until_state(job.id, JobState.FAILED)
    assert [attempt.end_reason for attempt in failed.attempts] == [
        "diverged",
        "diverged",
        "failed-for-good",
    ]
    points = system.coordinator.progress(job.id, max_points=1000)
    assert points.iterations == list(range(len(points.iterations)))


def test_a_job_ends_by_itself_where_its_loss_falls_no_further(system: System) -> None:
    job = system.coordinator.submit(digits(minibatchLossThreshold=100, thresholdWindow=20))
    done = system.until_state(job.id, JobState.SUCCEEDED)
    assert (done.reason, done.iteration) == ("LEVELLED_OFF", 21)
    assert system.repository.version("DigitsGenerator", job.tag).iteration == 21
