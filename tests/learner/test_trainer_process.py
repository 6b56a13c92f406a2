"""A real trainer process: what it says and in which order, and that it ends with its agent."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from PIL import Image

from ganforge.networks import BUILTIN
from ganforge.wire.strategies import BUILT_IN, GANConfig
from ganforge_learner.messages import (
    Begin,
    Failed,
    Finished,
    FromTrainer,
    Halt,
    Hold,
    Points,
    Ready,
    SnapshotPushed,
    SnapshotTaken,
    Started,
)
from ganforge_learner.networks import load_generator
from ganforge_learner.points import LOSS
from ganforge_learner.trainer_process import TrainerDied, TrainerProcess
from tests.support.system import until

PATIENCE_SECONDS = 300.0
DIGITS_PAIR = [
    next(each for each in BUILTIN if each.name == name)
    for name in ("DigitsGenerator", "DigitsDiscriminator")
]
Message = TypeVar("Message")


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainerProcess]:
    """A warm trainer; trains one job of the tests after the other."""
    process = TrainerProcess(device="cpu", threads=1, data=tmp_path_factory.mktemp("data"))
    ready = process.hear(PATIENCE_SECONDS)
    assert isinstance(ready, Ready)
    assert ready.device == "cpu"
    assert {strategy.name for strategy in ready.strategies} == set(BUILT_IN)
    yield process
    process.kill()


def begin(scratch: Path, *, dataset: str = "digits", **keys: Any) -> Begin:
    """A job on digits; ends after 50 iterations."""
    told = {"batchSize": 16, "seed": 4, "maxIterations": 50, **keys}
    config = GANConfig.model_validate(told).model_dump(mode="json", by_alias=True)
    return Begin("a-job", DIGITS_PAIR, dataset, config, scratch, weights={}, state=None)


def hear(trainer: TrainerProcess, seconds: float = PATIENCE_SECONDS) -> FromTrainer:
    message = trainer.hear(seconds)
    assert message is not None, "the trainer says nothing"
    return message


def conversation(trainer: TrainerProcess) -> list[FromTrainer]:
    """Listen until the job has ended; every snapshot is pushed at once."""
    said: list[FromTrainer] = []
    while not (said and isinstance(said[-1], Finished | Failed)):
        said.append(hear(trainer))
        if isinstance(said[-1], SnapshotTaken):
            trainer.tell(SnapshotPushed())
    return said


def only(kind: type[Message], said: list[FromTrainer]) -> list[Message]:
    return [message for message in said if isinstance(message, kind)]


def iterations(said: list[FromTrainer]) -> list[int]:
    return [
        points.first + at * points.step
        for points in only(Points, said)
        for at in range(len(points.series[LOSS]))
    ]


def test_fifty_iterations_on_digits_are_told_from_start_to_end(
    trainer: TrainerProcess, tmp_path: Path
) -> None:
    trainer.tell(begin(tmp_path, storeInterval=20))
    said = conversation(trainer)
    assert said[0] == Started(0)
    assert said[-1] == Finished(50, reached_target=True)
    snapshots = only(SnapshotTaken, said)
    assert [taken.iteration for taken in snapshots] == [0, 20, 40, 50]
    assert iterations(said) == list(range(50))
    for taken in snapshots:
        points_before = iterations(said[: said.index(taken)])
        assert len(points_before) == taken.iteration
        last = only(Points, said[: said.index(taken)])
        wanted = {name: column[-1] for name, column in last[-1].series.items()} if last else {}
        assert taken.losses == wanted
    for points in only(Points, said):
        assert set(points.series) == {LOSS, "dLossReal", "dLossFake"}


def test_a_snapshots_files_are_weights_a_grid_and_a_state(
    trainer: TrainerProcess, tmp_path: Path
) -> None:
    trainer.tell(begin(tmp_path, maxIterations=3))
    taken = only(SnapshotTaken, conversation(trainer))[-1]
    for definition in DIGITS_PAIR:
        assert load_generator(taken.weights[definition.name], definition)
    assert list(taken.samples) == ["DigitsGenerator"]
    with Image.open(taken.samples["DigitsGenerator"]) as image:
        assert image.format == "PNG"
    assert taken.state.stat().st_size > 0


def test_two_halves_in_one_trainer_end_as_one_whole(
    trainer: TrainerProcess, tmp_path: Path
) -> None:
    keys: dict[str, Any] = {"method": "ADAM", "sampling": "PERMUTATION"}
    folders = [tmp_path / name for name in ("whole", "first", "second")]
    for folder in folders:
        folder.mkdir()
    trainer.tell(begin(folders[0], **keys))
    whole = only(SnapshotTaken, conversation(trainer))[-1]
    trainer.tell(begin(folders[1], **{**keys, "maxIterations": 25}))
    half = only(SnapshotTaken, conversation(trainer))[-1]
    job = begin(folders[2], **keys)
    trainer.tell(
        Begin(job.job_id, job.definitions, job.dataset, job.config, job.scratch,
              weights=half.weights, state=half.state)
    )  # fmt: skip
    said = conversation(trainer)
    assert said[0] == Started(25)
    assert iterations(said) == list(range(25, 50))
    end = only(SnapshotTaken, said)[-1]
    assert whole.state.read_bytes() == end.state.read_bytes()
    for ours, theirs in ((whole.weights, end.weights), (whole.samples, end.samples)):
        assert {name: path.read_bytes() for name, path in ours.items()} == {
            name: path.read_bytes() for name, path in theirs.items()
        }


def test_halt_ends_after_the_iteration_in_hand_with_a_snapshot(
    trainer: TrainerProcess, tmp_path: Path
) -> None:
    trainer.tell(begin(tmp_path, maxIterations=None, storeInterval=10**9))
    said = [hear(trainer) for _ in range(3)]
    assert [type(message) for message in said] == [Started, SnapshotTaken, Points]
    trainer.tell(SnapshotPushed())
    trainer.tell(Halt())
    said += conversation(trainer)
    finished = said[-1]
    assert isinstance(finished, Finished)
    assert not finished.reached_target
    assert only(SnapshotTaken, said)[-1].iteration == finished.iteration
    assert iterations(said) == list(range(finished.iteration))


def test_hold_stops_the_progress_until_it_is_taken_back(
    trainer: TrainerProcess, tmp_path: Path
) -> None:
    trainer.tell(begin(tmp_path, maxIterations=None, storeInterval=10**9))
    said: list[FromTrainer] = [hear(trainer) for _ in range(3)]
    trainer.tell(SnapshotPushed())
    trainer.tell(Hold(waiting=True))
    while (message := trainer.hear(3.0)) is not None:  # progress is told every second at least
        said.append(message)
        assert len(said) < 60
    held_at = iterations(said)[-1]
    trainer.tell(Hold(waiting=False))
    points = hear(trainer)
    assert isinstance(points, Points)
    assert points.first == held_at + 1
    trainer.tell(Halt())
    assert isinstance(conversation(trainer)[-1], Finished)


def test_halt_reaches_a_trainer_that_is_held(trainer: TrainerProcess, tmp_path: Path) -> None:
    trainer.tell(begin(tmp_path, maxIterations=None, storeInterval=10**9))
    for _ in range(2):
        hear(trainer)
    trainer.tell(SnapshotPushed())
    trainer.tell(Hold(waiting=True))
    trainer.tell(Halt())
    assert isinstance(conversation(trainer)[-1], Finished)


def test_no_more_than_two_snapshots_are_on_their_way(
    trainer: TrainerProcess, tmp_path: Path
) -> None:
    trainer.tell(begin(tmp_path, storeInterval=5))
    said: list[FromTrainer] = []
    while (message := trainer.hear(3.0)) is not None:
        said.append(message)
    assert [taken.iteration for taken in only(SnapshotTaken, said)] == [0, 5]
    for _ in range(2):
        trainer.tell(SnapshotPushed())
    said += conversation(trainer)
    assert [taken.iteration for taken in only(SnapshotTaken, said)] == list(range(0, 51, 5))


@pytest.mark.parametrize(
    ("keys", "slug", "words", "permanent"),
    [
        ({"dataset": "nothing"}, "unknown-name", "there is no dataset 'nothing'", True),
        ({"strategy": "Magic"}, "unknown-name", "there is no strategy 'Magic'", True),
        ({"generatorDim": 11}, "network-misfit", "does not take 11 latents", True),
        ({"learningRate": 1e30}, "diverged", "lower learningRate", True),
    ],
)
def test_a_job_that_cannot_be_trained_fails_in_words_and_the_trainer_lives(
    trainer: TrainerProcess,
    tmp_path: Path,
    keys: dict[str, Any],
    slug: str,
    words: str,
    permanent: bool,
) -> None:
    trainer.tell(begin(tmp_path, **keys))
    failed = conversation(trainer)[-1]
    assert isinstance(failed, Failed)
    assert (failed.slug, failed.permanent) == (slug, permanent)
    assert words in failed.detail
    trainer.tell(begin(tmp_path, maxIterations=1))
    assert conversation(trainer)[-1] == Finished(1, reached_target=True)


def test_an_unknown_device_is_a_sentence(tmp_path: Path) -> None:
    process = TrainerProcess(device="abacus", threads=1, data=tmp_path)
    try:
        failed = process.hear(PATIENCE_SECONDS)
        assert isinstance(failed, Failed)
        assert failed.detail == "there is no device 'abacus' here: try --device auto"
        assert failed.permanent
        with pytest.raises(TrainerDied, match="exit code 0"):
            process.hear(PATIENCE_SECONDS)
    finally:
        process.kill()


AGENT = """
import sys
from pathlib import Path
from ganforge_learner.trainer_process import TrainerProcess

if __name__ == "__main__":
    process = TrainerProcess(device="cpu", threads=1, data=Path(sys.argv[1]))
    process.hear(60)
    print(process.pid, flush=True)
    process.hear(None)
"""


def test_a_trainer_dies_with_its_agent(tmp_path: Path) -> None:
    script = tmp_path / "agent.py"
    script.write_text(AGENT)
    agent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    with agent.stdout:
        trainer = psutil.Process(int(agent.stdout.readline()))
        agent.send_signal(signal.SIGKILL)
        agent.wait()
        until(_is_gone(trainer), "the trainer ends", PATIENCE_SECONDS)


def _is_gone(process: psutil.Process) -> Callable[[], bool]:
    return lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_the_death_of_a_trainer_is_told_with_its_exit_code(tmp_path: Path) -> None:
    process = TrainerProcess(device="cpu", threads=1, data=tmp_path)
    try:
        assert isinstance(process.hear(PATIENCE_SECONDS), Ready)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(TrainerDied, match="exit code -9"):
            process.hear(PATIENCE_SECONDS)
        process.tell(Halt())  # nobody hears it, and that is no error
        assert not process.is_alive
    finally:
        process.kill()
