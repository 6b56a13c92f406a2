import re
import signal
from pathlib import Path

import httpx
import pytest
from PIL import Image
from safetensors.torch import load_file

from ganforge.networks import BUILTIN
from ganforge_learner import build_network
from tests.local.processes import Command, command

FILES = ("generator.safetensors", "samples.png", "timelapse.png")

pytestmark = pytest.mark.e2e


def announced(started: Command) -> str:
    """The server's URL, as it is told at the start."""
    found = re.search(r"(http://127\.0\.0\.1:\d+)/#token=gf_", started.until("#token="))
    assert found is not None
    return found[1]


def assert_weights_load(file: Path) -> None:
    (definition,) = (found for found in BUILTIN if found.name == "DigitsGenerator")
    build_network(definition).load_state_dict(load_file(file))


def assert_nobody_answers(url: str) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/livez")


def test_the_demo_leaves_weights_a_grid_and_a_time_lapse(tmp_path: Path) -> None:
    with command("demo", "--out", "out", folder=tmp_path) as started:
        url = announced(started)
        code, out, err = started.end()
    assert code == 0, err
    assert_nobody_answers(url)
    folder = tmp_path / "out"
    assert [line.split()[0] for line in out.splitlines()] == [f"out/{name}" for name in FILES]
    assert_weights_load(folder / "generator.safetensors")
    with Image.open(folder / "samples.png") as grid:
        grid.load()
        assert min(grid.size) > 64
    with Image.open(folder / "timelapse.png") as film:
        assert getattr(film, "n_frames", 1) >= 5
        assert film.size == grid.size
    assert re.search(r"last losses: G \d\.\d+  dLossReal \d\.\d+  dLossFake \d\.\d+", err)
    assert len(re.findall(r"GANFORGE_DATA=out/data ", err)) == 3


def test_ctrl_c_stops_the_demo_kindly_with_weights_that_load(tmp_path: Path) -> None:
    with command("demo", "--out", "out", folder=tmp_path) as started:
        url = announced(started)
        started.until(" saved")
        started.signal(signal.SIGINT)
        code, _, err = started.end()
    assert code == 130, err
    assert_nobody_answers(url)
    assert re.search(r"stopped at iteration [\d,]+: version \d+ is saved", err)
    assert "Traceback" not in err
    assert_weights_load(tmp_path / "out" / "generator.safetensors")


def test_ctrl_c_before_anything_was_learnt_saves_nothing(tmp_path: Path) -> None:
    with command("demo", "--out", "out", folder=tmp_path) as started:
        started.until("a learner is starting")
        started.signal(signal.SIGINT)
        code, out, err = started.end()
    assert (code, out) == (130, ""), err
    assert "nothing was learnt yet" in err
    assert not (tmp_path / "out" / "samples.png").exists()
