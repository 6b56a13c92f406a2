"""Killed with -9 at any moment and gone on with, a job ends with the same weights, bit for bit."""

import random
from typing import Any

import pytest

from ganforge.wire.jobs import JobState, LearnJob
from tests.support.system import System

pytestmark = pytest.mark.e2e

ITERATIONS = 500

# Everything that keeps a state of its own: BatchNorm, Dropout, and draws of every kind.
GENERATOR: dict[str, Any] = {
    "name": "ResumeGenerator",
    "input": [10],
    "modules": [
        {"type": "Linear", "out": 32},
        {"type": "BatchNorm"},
        {"type": "ReLU"},
        {"type": "Dropout", "p": 0.1},
        {"type": "Linear", "out": 64},
        {"type": "Tanh"},
        {"type": "Unflatten", "shape": [1, 8, 8]},
    ],
}
JUDGE: list[dict[str, Any]] = [
    {"type": "Conv2d", "out": 8, "kernel": 4, "stride": 2, "padding": 1},
    {"type": "LeakyReLU"},
    {"type": "Dropout", "p": 0.1},
    {"type": "Flatten"},
    {"type": "Linear", "out": 1},
]
CRITIC: dict[str, Any] = {"name": "ResumeCritic", "input": [1, 8, 8], "modules": JUDGE}
DISCRIMINATOR: dict[str, Any] = {
    "name": "ResumeDiscriminator",
    "input": [1, 8, 8],
    "modules": [*JUDGE, {"type": "Sigmoid"}],
}

STRATEGIES: dict[str, dict[str, Any]] = {
    "GANLearningStrategy": {"method": "SGD", "momentum": 0.9, "decayRate": 1e-6},
    "LSGANLearningStrategy": {"method": "RMSPROP", "sampling": "PERMUTATION"},
    "HingeGANLearningStrategy": {"method": "ADAM", "augment": ["COLOR", "TRANSLATION", "CUTOUT"]},
    "WGANGPLearningStrategy": {"Diterations": 2, "sampling": "UNIFORMCLASS"},
    "R3GANLearningStrategy": {"clipGradient": 1.0, "sampling": "SEQUENTIAL"},
}


def learn_job(strategy: str) -> LearnJob:
    judge = DISCRIMINATOR if strategy == "GANLearningStrategy" else CRITIC
    return LearnJob(
        networks=[GENERATOR["name"], judge["name"]],
        dataset="digits",
        config={
            "strategy": strategy,
            "seed": 11,
            "batchSize": 16,
            "ema": 0.99,
            "storeInterval": 60,
            "maxIterations": ITERATIONS,
            **STRATEGIES[strategy],
        },
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_killed_job_ends_bit_for_bit_as_an_undisturbed_one(
    strategy: str, system: System, kills: int
) -> None:
    for definition in (GENERATOR, DISCRIMINATOR, CRITIC):
        system.repository.put_network(definition["name"], definition)
    undisturbed = digests(system, strategy, kill=None)
    assert undisturbed.keys() > {f"{GENERATOR['name']}-ema"}
    for _ in range(kills):
        victim = random.choice(["trainer", "learner"])
        assert digests(system, strategy, kill=victim) == undisturbed


def digests(system: System, strategy: str, *, kill: str | None) -> dict[str, str]:
    """Run the job, kill a process in the midst of it, and give what its networks end with."""
    job = system.coordinator.submit(learn_job(strategy))
    if kill is not None:
        system.until_iteration(job.id, random.randrange(1, ITERATIONS - 100))
        system.kill(kill)
        if kill == "learner":
            system.start(kill)
    done = system.until_state(job.id, JobState.SUCCEEDED, JobState.FAILED)
    assert done.state is JobState.SUCCEEDED, done.error
    assert done.iteration == ITERATIONS
    if kill is not None:
        assert len(done.attempts) > 1, "it was killed when it was over: nothing was tried"
    return {name: system.repository.version(name, done.tag).digest for name in done.weights}
