"""One job in training, in this very process: what it keeps, and what it goes on from."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ganforge.errors import BadInput
from ganforge.networks import BUILTIN, NetworkDefinition
from ganforge.wire.strategies import GANConfig
from ganforge_learner import registry
from ganforge_learner.messages import Begin, Finished, FromTrainer, SnapshotTaken
from ganforge_learner.strategies import GANLearningStrategy
from ganforge_learner.strategy import LearnProgress
from ganforge_learner.training import Training

PAIR = [
    next(each for each in BUILTIN if each.name == name)
    for name in ("DigitsGenerator", "DigitsDiscriminator")
]


class Averaging(GANLearningStrategy):
    """A GAN that keeps a running average of its generator, by half."""

    def setup(self, config: Mapping[str, Any], dataset: Any, *networks: nn.Module) -> None:
        super().setup(config, dataset, *networks)
        self._average = copy.deepcopy(networks[0]).requires_grad_(False)

    @property
    def averages(self) -> Mapping[int, nn.Module]:
        return {0: self._average}

    def process_iteration(self, i: int) -> LearnProgress:
        progress = super().process_iteration(i)
        with torch.no_grad():
            pairs = zip(self._average.parameters(), self.generator.parameters(), strict=True)
            for mean, weight in pairs:
                mean.lerp_(weight, 0.5)
        return progress


@pytest.fixture(autouse=True)
def averaging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "Averaging", Averaging)


class Free:
    """Nobody steers."""

    halted = False

    def wait_while_held(self) -> None:
        pass

    def wait_for_room(self) -> None:
        pass


def begin(
    scratch: Path,
    *,
    weights: dict[str, Path] | None = None,
    state: Path | None = None,
    definitions: list[NetworkDefinition] = PAIR,
    **keys: Any,
) -> Begin:
    scratch.mkdir(exist_ok=True)
    told = {"batchSize": 16, "seed": 4, "maxIterations": 8, **keys}
    config = GANConfig.model_validate(told).model_dump(mode="json", by_alias=True)
    return Begin("a-job", definitions, "digits", config, scratch, weights or {}, state)


def train(job: Begin) -> list[FromTrainer]:
    said: list[FromTrainer] = []
    training = Training(job, device=torch.device("cpu"), data=job.scratch, tell=said.append)
    said.append(training.run(Free()))
    return said


def snapshots(said: list[FromTrainer]) -> list[SnapshotTaken]:
    return [message for message in said if isinstance(message, SnapshotTaken)]


def test_a_moving_average_is_a_network_of_its_own_with_a_grid_of_its_own(tmp_path: Path) -> None:
    said = train(begin(tmp_path, strategy="Averaging", learningRate=0.1))
    assert isinstance(said[-1], Finished)
    first, last = snapshots(said)
    for taken in (first, last):
        assert list(taken.weights) == [
            "DigitsGenerator",
            "DigitsDiscriminator",
            "DigitsGenerator-ema",
        ]
        assert set(taken.samples) == {"DigitsGenerator", "DigitsGenerator-ema"}
    bytes_of = {name: path.read_bytes() for name, path in last.weights.items()}
    assert bytes_of["DigitsGenerator"] != bytes_of["DigitsGenerator-ema"]
    grids = [last.samples[name].read_bytes() for name in last.samples]
    assert grids[0] != grids[1]
    begun = first.weights["DigitsGenerator"].read_bytes()
    assert first.weights["DigitsGenerator-ema"].read_bytes() == begun


def test_a_job_without_an_average_stores_its_networks_alone(tmp_path: Path) -> None:
    taken = snapshots(train(begin(tmp_path)))[-1]
    assert list(taken.weights) == ["DigitsGenerator", "DigitsDiscriminator"]
    assert list(taken.samples) == ["DigitsGenerator"]


def test_a_resumed_job_ends_with_the_same_average(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"strategy": "Averaging", "learningRate": 0.1}
    whole = snapshots(train(begin(tmp_path / "whole", **keys)))[-1]
    half = snapshots(train(begin(tmp_path / "half", **{**keys, "maxIterations": 4})))[-1]
    going_on = begin(tmp_path / "rest", weights=half.weights, state=half.state, **keys)
    rest = snapshots(train(going_on))[-1]
    for name, path in whole.weights.items():
        assert rest.weights[name].read_bytes() == path.read_bytes()


@pytest.mark.parametrize("has_average", [True, False])
def test_a_job_from_other_weights_takes_their_average_or_begins_a_copy(
    tmp_path: Path, has_average: bool
) -> None:
    keys: dict[str, Any] = {"strategy": "Averaging", "learningRate": 0.1}
    other = snapshots(train(begin(tmp_path / "other", **keys)))[-1].weights
    given = dict(other) if has_average else {each.name: other[each.name] for each in PAIR}
    first = snapshots(train(begin(tmp_path / "job", weights=given, **keys)))[0]
    wanted = "DigitsGenerator-ema" if has_average else "DigitsGenerator"
    assert first.weights["DigitsGenerator-ema"].read_bytes() == other[wanted].read_bytes()
    assert first.weights["DigitsGenerator"].read_bytes() == other["DigitsGenerator"].read_bytes()


def test_an_average_cannot_share_the_name_of_one_of_the_jobs_networks(tmp_path: Path) -> None:
    definitions = [PAIR[0], PAIR[1].model_copy(update={"name": "DigitsGenerator-ema"})]
    with pytest.raises(BadInput, match="DigitsGenerator-ema is the name of a moving average"):
        train(begin(tmp_path, strategy="Averaging", definitions=definitions))
