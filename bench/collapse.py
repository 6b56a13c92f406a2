"""When the collapse alarm rings, beside when a judge sees the collapse.

Trains, on one CPU thread each, runs that end well, most of them after a slow beginning; runs that
are collapsed from the start; and runs that are diverse and are then made to collapse, by learning
rates far too high. Every 100 iterations the alarm looks, and a judge (a classifier, as
evaluations have it) counts the digits that make up more than 1 % of 512 samples.

Prints, for each run,

- ``collapsed``: where the collapse begins, for the judge: the first look that finds two digits or
  fewer in samples that have the contrast of real ones (``CRISP``) or are copies (``COPIES``), if of
  the ten looks from it on at least eight find the like: one that lasts;
- ``rang``: the iteration of the first ring;
- ``false_rings``: rings at looks where the judge saw more than five digits;
- ``margin``: the highest contrast that, in place of ``CRISP``, would have made the alarm ring for
  samples that are alike. To tune, choose ``CRISP`` above those of all healthy runs and below those
  of all others; to score, take other seeds.
- ``digits``: at the last look.

    python3 run.py bench collapse --data DIR [--all | --only "NAME;NAME"] [--seeds 1]
        [--first-seed 200] [--json]

DIR is a data folder (``datasets/MNIST/...``), or a folder of MNIST's IDX files. Without ``--all``
the runs of less than a minute are made.
"""

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.recipes import NETWORKS, build_networks, data_folder
from ganforge.networks import NetworkDefinition
from ganforge.networks.definition import (
    BatchNorm,
    Flatten,
    LeakyReLU,
    Linear,
    Module,
    Sigmoid,
    Tanh,
    Unflatten,
)
from ganforge.recipes import find_recipe
from ganforge_learner import registry
from ganforge_learner.collapse_alarm import (
    COPIES,
    CRISP,
    FAKES,
    LOOK_INTERVAL,
    LOW,
    MOST,
    RECENT,
    CollapseAlarm,
    Prototypes,
)
from ganforge_learner.datasets import Dataset, load_dataset
from ganforge_learner.quality import judge as judges
from ganforge_learner.quality.judge import RealImages, define_judge, train_judge
from ganforge_learner.strategy import LearningStrategy

JUDGED = 512
WINDOW, STEADY = 10, 8
"""Of so many looks, so many with two digits or fewer are a collapse, for the judge."""
FACTOR = 25


@dataclass(frozen=True)
class Run:
    """One way to train.

    Attributes:
        networks: generator and discriminator.
        config: the job's keys.
        iterations: how many.
        later: keys to change after ``CHANGE`` of them.
        dataset: what it learns.
    """

    networks: Sequence[NetworkDefinition]
    config: dict[str, Any]
    iterations: int
    later: dict[str, Any] = field(default_factory=dict)
    dataset: str = "MNIST"


CHANGE = 1500
ADAM: dict[str, Any] = {
    "strategy": "GANLearningStrategy",
    "generatorDim": 10,
    "batchSize": 64,
    "method": "ADAM",
    "learningRate": 2e-4,
    "beta1": 0.5,
}
HARD: dict[str, Any] = {**ADAM, "generatorDim": 64, "targetReal": 1.0, "targetFake": 0.0}
FAST: dict[str, Any] = {"generatorLearningRate": FACTOR * 2e-4}
RESTLESS: dict[str, Any] = {"learningRate": 1e-3, "beta1": 0.9}
HIGH: dict[str, Any] = {"learningRate": 1e-2, "beta1": 0.9}
PAIR = [NETWORKS["Generator"], NETWORKS["Discriminator"]]
CRITIC = [NETWORKS["Generator"], NETWORKS["Critic"]]
DCGAN = [NETWORKS["DCGANGenerator28Small"], NETWORKS["DCGANDiscriminator28Small"]]


def by(strategy: str) -> dict[str, Any]:
    """Give the keys of a job that takes its strategy's defaults."""
    return {"strategy": f"{strategy}LearningStrategy", "generatorDim": 10, "batchSize": 64}


def of_recipe(name: str, iterations: int) -> Run:
    """Give a recipe's run."""
    recipe = find_recipe(name)
    networks = [NETWORKS[network] for network in recipe.networks]
    return Run(networks, recipe.config, iterations, dataset=recipe.dataset)


def deep(*widths: int, norm: bool = False) -> list[NetworkDefinition]:
    """Give perceptrons of several hidden layers, with BatchNorm in the generator or without."""
    making: list[Module] = []
    for width in widths:
        making += [Linear(out=width), *([BatchNorm()] if norm else []), LeakyReLU()]
    judging: list[Module] = [Flatten()]
    for width in reversed(widths):
        judging += [Linear(out=width), LeakyReLU()]
    making += [Linear(out=784), Tanh(), Unflatten(shape=(1, 28, 28))]
    judging += [Linear(out=1), Sigmoid()]
    return [
        NetworkDefinition(name="Deep", input=(64,), modules=tuple(making)),
        NetworkDefinition(name="DeepJudge", input=(1, 28, 28), modules=tuple(judging)),
    ]


def without_norm(network: NetworkDefinition) -> NetworkDefinition:
    """Take BatchNorm out of a network."""
    modules = tuple(part for part in network.modules if not isinstance(part, BatchNorm))
    return network.model_copy(update={"modules": modules})


HEALTHY: dict[str, Run] = {
    "adam": Run(PAIR, ADAM, 2000),
    "low rates": Run(PAIR, {**ADAM, "learningRate": 2e-5}, 6000),
    "lsgan": Run(CRITIC, {**ADAM, "strategy": "LSGANLearningStrategy"}, 2500),
    "hinge": Run(CRITIC, {**ADAM, "strategy": "HingeGANLearningStrategy"}, 2500),
    "r3gan": Run(CRITIC, by("R3GAN"), 2500),
    "digits": of_recipe("digits", 2000),
    "seed": of_recipe("seed", 10_000),
    "wgan": Run(CRITIC, by("WGAN"), 4000),
    "wgan-gp": Run(CRITIC, by("WGANGP"), 5000),
    "deep, beta1 0.9": Run(deep(256, 512), {**HARD, "beta1": 0.9}, 4500),
    "mnist": of_recipe("mnist", 600),
    "dcgan": Run(DCGAN, {**ADAM, "generatorDim": 64}, 800),
}
SICK: dict[str, Run] = {
    "later, a fast generator": Run(PAIR, ADAM, 2700, later=FAST),
    "later, deep": Run(deep(128, 256, norm=True), HARD, 2700, later={**HIGH, "learningRate": 5e-3}),
    "later, high rates": Run(PAIR, {**HARD, "generatorDim": 10}, 2700, later=HIGH),
    "from the start": Run(PAIR, {**ADAM, **FAST}, 2000),
    "lsgan from the start": Run(CRITIC, {**HEALTHY["lsgan"].config, **FAST}, 2000),
    "hinge from the start": Run(CRITIC, {**HEALTHY["hinge"].config, **FAST}, 2000),
    "deep, no norm": Run(deep(128, 128, 128), {**HARD, **RESTLESS}, 3000),
    "deep, half a norm": Run(deep(128, 256, norm=True), {**HARD, **RESTLESS}, 2000),
    "deep, wide": Run(deep(256, 512), {**HARD, **RESTLESS}, 2000),
    "dcgan, half a norm": Run(
        [DCGAN[0], without_norm(DCGAN[1])], {**HARD, "learningRate": 2e-3, "beta1": 0.9}, 2000
    ),
}
SLOW = {
    "seed",
    "wgan",
    "wgan-gp",
    "deep, wide",
    "deep, beta1 0.9",
    "mnist",
    "dcgan",
    "dcgan, half a norm",
}
RUNS = {**HEALTHY, **SICK}


def main() -> None:
    """Train, look and judge."""
    asked = arguments()
    torch.set_num_threads(1)
    known: dict[str, Known] = {}
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        for name in asked.names:
            run = RUNS[name]
            if run.dataset not in known:
                known[run.dataset] = Known.of(run.dataset, asked.data)
            found = watch(run, seed, known[run.dataset])
            facts = {"run": name, "is_healthy": name in HEALTHY, "seed": seed, **found}
            if asked.json:
                print(json.dumps(facts), flush=True)
            else:
                print("  ".join(f"{key} {value}" for key, value in facts.items()), flush=True)


@dataclass(frozen=True)
class Known:
    """A dataset, and what is made of it once."""

    dataset: Dataset
    judge: nn.Sequential
    prototypes: Prototypes

    @classmethod
    def of(cls, name: str, folder: Path) -> "Known":
        """Read a dataset and train its judge."""
        with data_folder(folder) as data:
            dataset = load_dataset(name, data)
        real = RealImages(dataset.name, dataset.inputs, dataset.targets)
        judge = train_judge(real, define_judge(real))
        return cls(dataset, judge, Prototypes.of(dataset.inputs.flatten(1)))


@dataclass(frozen=True)
class Look:
    """What one look found."""

    iteration: int
    digits: int
    diversity: float
    contrast: float
    spread: float
    rings: bool


def watch(run: Run, seed: int, known: Known) -> dict[str, Any]:
    """Train one run, and tell when it collapsed and when the alarm rang."""
    networks = build_networks(run.networks, seed)
    strategy = registry.find_strategy(run.config["strategy"])()
    strategy.setup({**run.config, "seed": seed}, known.dataset, *networks)
    alarm = CollapseAlarm(known.dataset)
    looks = []
    for i in range(run.iterations):
        if run.later and i == CHANGE:
            state = strategy.state_dict()
            strategy.setup({**run.config, **run.later, "seed": seed}, known.dataset, *networks)
            strategy.load_state_dict(state)
        strategy.process_iteration(i)
        if (i + 1) % LOOK_INTERVAL == 0:
            looks.append(look(i + 1, strategy, seed, alarm, known))
    return {
        "collapsed": collapse_of(looks),
        "rang": next((look.iteration for look in looks if look.rings), None),
        "false_rings": sum(look.rings and look.digits > 5 for look in looks),
        "margin": margin(looks),
        "digits": looks[-1].digits,
    }


def look(
    iteration: int, strategy: LearningStrategy, seed: int, alarm: CollapseAlarm, known: Known
) -> Look:
    """Have the alarm look, and the judge."""
    samples = strategy.draw_samples(strategy.grid_latents(FAKES, seed))
    judged = strategy.draw_samples(strategy.grid_latents(JUDGED, seed))
    flat_NP = samples.flatten(1).float()
    return Look(
        iteration=iteration,
        digits=count_classes(known.judge, judged),
        diversity=known.prototypes.diversity(flat_NP),
        contrast=known.prototypes.contrast(flat_NP),
        spread=known.prototypes.spread(flat_NP),
        rings=alarm.look(samples) is not None,
    )


def collapse_of(looks: Sequence[Look]) -> int | None:
    """Tell at which iteration the judge's collapse begins."""
    few = [look.digits <= 2 and (look.contrast >= CRISP or look.spread < COPIES) for look in looks]
    for first, look in enumerate(looks):
        if few[first] and sum(few[first : first + WINDOW]) >= STEADY:
            return look.iteration
    return None


def margin(looks: Sequence[Look]) -> float | None:
    """Tell the highest ``CRISP`` at which the samples would have been found alike."""
    crisp = [look.contrast if look.diversity < LOW else -math.inf for look in looks]
    windows: Iterable[list[float]] = (
        crisp[max(0, i - RECENT) : i] for i in range(MOST, len(crisp) + 1)
    )
    found = max((sorted(window, reverse=True)[MOST - 1] for window in windows), default=-math.inf)
    return round(found, 2) if math.isfinite(found) else None


def count_classes(judge: nn.Sequential, samples: Tensor) -> int:
    """Count the classes that make up more than 1 % of samples."""
    _, logits = judges.judge(judge, samples)
    return int((torch.bincount(logits.argmax(1)) > len(samples) / 100).sum())


def arguments() -> argparse.Namespace:
    """Read the command line; ``names`` are the runs to make."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--all", action="store_true", help="the slow runs, too")
    parser.add_argument("--only", help="names, separated by ';': " + "; ".join(RUNS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    given = asked.only.split(";") if asked.only else RUNS
    asked.names = [name for name in given if asked.only or asked.all or name not in SLOW]
    if unknown := set(asked.names) - set(RUNS):
        parser.error(f"no such run: {', '.join(sorted(unknown))}")
    return asked


if __name__ == "__main__":
    main()
