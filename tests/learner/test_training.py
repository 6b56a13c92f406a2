"""One job in training, in this very process: what it keeps, and what it goes on from."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ganforge.errors import BadInput, Diverged, UnknownName
from ganforge.networks import BUILTIN, NetworkDefinition
from ganforge.wire.learning import EarlyEnd
from ganforge.wire.strategies import GANConfig
from ganforge_learner import registry
from ganforge_learner.messages import (
    Begin,
    Collapsed,
    Finished,
    FromTrainer,
    Points,
    SnapshotTaken,
)
from ganforge_learner.strategies import GANLearningStrategy
from ganforge_learner.strategy import LearnProgress
from ganforge_learner.training import Training

PAIR = [
    next(each for each in BUILTIN if each.name == name)
    for name in ("DigitsGenerator", "DigitsDiscriminator")
]


@pytest.fixture(autouse=True)
def collapsing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "Collapsing", Collapsing)


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
    retries: int = 0,
    definitions: list[NetworkDefinition] = PAIR,
    **keys: Any,
) -> Begin:
    scratch.mkdir(exist_ok=True)
    told = {"batchSize": 16, "seed": 4, "maxIterations": 8, **keys}
    config = GANConfig.model_validate(told).model_dump(mode="json", by_alias=True)
    return Begin("a-job", definitions, "digits", config, scratch, weights or {}, state, retries)


def train(job: Begin) -> list[FromTrainer]:
    said: list[FromTrainer] = []
    training = Training(job, device=torch.device("cpu"), data=job.scratch, tell=said.append)
    said.append(training.run(Free()))
    return said


def snapshots(said: list[FromTrainer]) -> list[SnapshotTaken]:
    return [message for message in said if isinstance(message, SnapshotTaken)]


def test_a_moving_average_is_a_network_of_its_own_with_a_grid_of_its_own(tmp_path: Path) -> None:
    said = train(begin(tmp_path, ema=0.9, learningRate=0.1))
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
    keys: dict[str, Any] = {"ema": 0.9, "learningRate": 0.1}
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
    keys: dict[str, Any] = {"ema": 0.9, "learningRate": 0.1}
    other = snapshots(train(begin(tmp_path / "other", **keys)))[-1].weights
    given = dict(other) if has_average else {each.name: other[each.name] for each in PAIR}
    first = snapshots(train(begin(tmp_path / "job", weights=given, **keys)))[0]
    wanted = "DigitsGenerator-ema" if has_average else "DigitsGenerator"
    assert first.weights["DigitsGenerator-ema"].read_bytes() == other[wanted].read_bytes()
    assert first.weights["DigitsGenerator"].read_bytes() == other["DigitsGenerator"].read_bytes()


def test_an_average_cannot_share_the_name_of_one_of_the_jobs_networks(tmp_path: Path) -> None:
    definitions = [PAIR[0], PAIR[1].model_copy(update={"name": "DigitsGenerator-ema"})]
    with pytest.raises(BadInput, match="DigitsGenerator-ema is the name of a moving average"):
        train(begin(tmp_path, ema=0.9, definitions=definitions))


def contents(taken: SnapshotTaken) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in taken.weights.items()}


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path)


@pytest.mark.parametrize(
    ("fixed", "kept"),
    [
        (["DigitsDiscriminator.1"], {"1.weight", "1.bias"}),
        (["DigitsDiscriminator.3"], {"3.weight", "3.bias"}),
    ],
)
def test_what_is_fixed_stays_as_it_was(tmp_path: Path, fixed: list[str], kept: set[str]) -> None:
    first, last = snapshots(train(begin(tmp_path, fixed=fixed, learningRate=0.1)))
    before, after = (tensors(taken.weights["DigitsDiscriminator"]) for taken in (first, last))
    assert {name for name in before if torch.equal(before[name], after[name])} == kept
    assert contents(first)["DigitsGenerator"] != contents(last)["DigitsGenerator"]


def test_a_module_that_is_not_there_cannot_be_fixed(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"DigitsDiscriminator has DigitsDiscriminator\.0 to"):
        train(begin(tmp_path, fixed=["DigitsDiscriminator.99"]))
    with pytest.raises(UnknownName, match="did you mean 'DigitsDiscriminator'"):
        train(begin(tmp_path, fixed=["DigitsDiscriminater"]))


def test_a_job_that_went_back_draws_on_other_streams_and_can_be_repeated(tmp_path: Path) -> None:
    half = snapshots(train(begin(tmp_path / "half", maxIterations=4)))[-1]
    given: dict[str, Any] = {"weights": half.weights, "state": half.state}

    def rest(folder: str, retries: int) -> SnapshotTaken:
        return snapshots(train(begin(tmp_path / folder, retries=retries, **given)))[-1]

    undisturbed, once, again, twice = rest("a", 0), rest("b", 1), rest("c", 1), rest("d", 2)
    assert contents(once) == contents(again)
    assert contents(undisturbed) != contents(once) != contents(twice) != contents(undisturbed)


def test_a_job_that_is_killed_after_it_went_back_goes_on_with_the_streams_it_had(
    tmp_path: Path,
) -> None:
    half = snapshots(train(begin(tmp_path / "half", maxIterations=4)))[-1]
    returned: dict[str, Any] = {"weights": half.weights, "state": half.state, "retries": 1}
    whole = snapshots(train(begin(tmp_path / "whole", **returned)))[-1]
    taken = snapshots(train(begin(tmp_path / "killed", maxIterations=6, **returned)))[-1]
    on = begin(tmp_path / "on", weights=taken.weights, state=taken.state, retries=1)
    assert contents(snapshots(train(on))[-1]) == contents(whole)


def test_a_job_ends_where_its_loss_falls_no_further(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"minibatchLossThreshold": 100.0, "thresholdWindow": 3}
    said = train(begin(tmp_path / "a", **keys))
    assert said[-1] == Finished(4, reached_target=False, ending=EarlyEnd.LEVELLED_OFF)
    assert snapshots(said)[-1].iteration == 4
    told = [points for points in said if isinstance(points, Points)]
    assert sum(len(points.series["minibatchLoss"]) for points in told) == 4
    wide = train(begin(tmp_path / "b", traceInterval=2, **keys))
    assert wide[-1] == Finished(7, reached_target=False, ending=EarlyEnd.LEVELLED_OFF)
    never = train(begin(tmp_path / "c", minibatchLossThreshold=-100.0, thresholdWindow=3))
    assert never[-1] == Finished(8, reached_target=True)


class Collapsing(GANLearningStrategy):
    """A GAN whose generator makes real digits, and from iteration 600 on one digit only."""

    def setup(self, config: Mapping[str, Any], dataset: Any, *networks: nn.Module) -> None:
        super().setup(config, dataset, *networks)
        self._digits = dataset.inputs
        self._is_well = True

    def process_iteration(self, i: int) -> LearnProgress:
        self._is_well = i < 600
        return LearnProgress(i, 0.0)

    def draw_samples(self, latents: torch.Tensor, network: nn.Module | None = None) -> torch.Tensor:
        shown = torch.arange(len(latents)) if self._is_well else torch.zeros(len(latents)).long()
        samples: torch.Tensor = self._digits[shown]
        return samples


@pytest.mark.parametrize("ends", [False, True])
def test_a_collapse_is_told_once_and_ends_the_job_where_it_shall(
    tmp_path: Path, ends: bool
) -> None:
    keys: dict[str, Any] = {
        "strategy": "Collapsing",
        "stopOnCollapse": ends,
        "storeInterval": 10_000,
    }
    said = train(begin(tmp_path, maxIterations=1200, **keys))
    (told,) = [message for message in said if isinstance(message, Collapsed)]
    assert told.iteration == 900  # the third look in a row that finds it so
    assert re.fullmatch(r"its samples are \d+% as diverse as the dataset's", told.detail)
    if ends:
        assert said[-1] == Finished(900, reached_target=False, ending=EarlyEnd.COLLAPSED)
        assert snapshots(said)[-1].iteration == 900
    else:
        assert said[-1] == Finished(1200, reached_target=True)


def test_an_alarm_goes_on_where_it_was_and_rings_no_second_time(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"strategy": "Collapsing", "storeInterval": 100}
    for stop, told_after in ((750, [900]), (950, [])):
        half = snapshots(train(begin(tmp_path / f"{stop}", maxIterations=stop, **keys)))[-1]
        on = begin(
            tmp_path / f"{stop}-on",
            weights=half.weights,
            state=half.state,
            maxIterations=1200,
            **keys,
        )
        told = [message.iteration for message in train(on) if isinstance(message, Collapsed)]
        assert told == told_after


def test_a_loss_that_is_not_finite_is_told_with_its_iteration(tmp_path: Path) -> None:
    with pytest.raises(Diverged) as caught:
        train(begin(tmp_path, learningRate=1e30))
    assert caught.value.members["iteration"] < 8


def test_a_whole_network_can_be_fixed(tmp_path: Path) -> None:
    first, last = snapshots(train(begin(tmp_path, fixed=["DigitsDiscriminator"])))
    assert contents(first)["DigitsDiscriminator"] == contents(last)["DigitsDiscriminator"]
    assert contents(first)["DigitsGenerator"] != contents(last)["DigitsGenerator"]
