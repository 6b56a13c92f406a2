"""A plug-in's dataset is told of and loaded; one that fails stands in nobody's way."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ganforge.errors import BadInput
from ganforge_learner import dataset_plugins
from ganforge_learner.datasets import load_dataset

PLUGIN = """
import torch
from ganforge.wire.datasets import DatasetInfo
from ganforge_learner.datasets import Dataset

class Noise:
    def info(self, data):
        return DatasetInfo(name="Noise", input_shape=(1, 4, 4), size=5)
    def __call__(self, data):
        return Dataset("Noise", torch.full((5, 1, 4, 4), 255, dtype=torch.uint8))

class Rude:
    def info(self, data):
        raise RuntimeError("not today")
    def __call__(self, data):
        raise RuntimeError("not today")

noise, rude = Noise(), Rude()

def wrong(data):
    return [1, 2, 3]
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a package that names datasets, as pip would leave it."""
    site = tmp_path / "site"
    about = site / "noisy-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: noisy\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[ganforge.datasets]\nNoise = noisy_sets:noise\nRude = noisy_sets:rude\n"
        "Wrong = noisy_sets:wrong\nGone = noisy_sets:gone\n"
    )
    (site / "noisy_sets.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("noisy_sets", None)


@pytest.mark.usefixtures("plugin")
def test_what_can_be_used_is_told_of_and_the_rest_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        [info] = dataset_plugins.infos(tmp_path)
    assert (info.name, info.size, info.input_shape) == ("Noise", 5, (1, 4, 4))
    assert {record.__dict__["name_"] for record in caplog.records} == {"Rude", "Wrong", "Gone"}


@pytest.mark.usefixtures("plugin")
def test_a_plug_ins_dataset_is_loaded_by_name(tmp_path: Path) -> None:
    loaded = load_dataset("Noise", tmp_path)
    assert torch.equal(loaded.inputs, torch.ones(5, 1, 4, 4))


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("name", "words"),
    [("Rude", "gives Rude fails: not today"), ("Wrong", "gives a list"), ("Gone", "Gone fails")],
)
def test_one_that_fails_fails_the_job_in_words(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load_dataset(name, tmp_path)
