"""Adapters make a dataset of another one, with DIANNE's options, step by step."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ganforge.errors import BadInput
from ganforge_learner.dataset_files import find_datasets
from ganforge_learner.datasets import Dataset, load_dataset
from tests.learner.dataset_files.pictures import colours, put_picture
from tests.learner.idx_files import images, put_dataset

SAMPLES = torch.from_numpy(images(12)).unsqueeze(1)  # (12, 1, 4, 5), of classes 0 to 9, 0, 1


def adapted(data: Path, of: str = "Fans", **options: Any) -> Dataset:
    """Load an adapter on a dataset, and see that the listing tells the same of it."""
    put_dataset(data, "Fans")
    told = {"type": "adapter", "of": of, **options}
    (data / "datasets" / "Mine.json").write_text(json.dumps(told))
    loaded = load_dataset("Mine", data)
    info = find_datasets(data)["Mine"]
    assert (info.size, info.input_shape) == (len(loaded), tuple(loaded.samples.shape[1:]))
    return loaded


def classes(dataset: Dataset) -> list[int]:
    assert dataset.targets is not None
    return dataset.targets.tolist()


@pytest.mark.parametrize(
    ("told", "places"),
    [([5], [0, 1, 2, 3, 4]), ([3, 6], [3, 4, 5]), ([7, 1, 11], [7, 1, 11])],
)
def test_a_range_is_an_end_or_two_ends_or_places(
    tmp_path: Path, told: list[int], places: list[int]
) -> None:
    loaded = adapted(tmp_path, range=told)
    assert torch.equal(loaded.samples, SAMPLES[places])
    assert classes(loaded) == [place % 10 for place in places]


def test_labels_are_kept_and_counted_anew(tmp_path: Path) -> None:
    loaded = adapted(tmp_path, labels=[9, "1"])
    assert torch.equal(loaded.samples, SAMPLES[[1, 9, 11]])
    assert classes(loaded) == [1, 0, 1]
    assert find_datasets(tmp_path)["Mine"].classes == 2


def test_all_other_labels_may_become_one_more(tmp_path: Path) -> None:
    loaded = adapted(tmp_path, labels=[1], other=True)
    assert torch.equal(loaded.samples, SAMPLES)
    assert classes(loaded) == [0 if at % 10 == 1 else 1 for at in range(12)]


def test_labels_may_be_the_names_of_classes(tmp_path: Path) -> None:
    for name in ("cat", "dog", "eel"):
        put_picture(tmp_path / "datasets" / "Pets" / name / "1.png", colours(1)[0])
    loaded = adapted(tmp_path, of="Pets", labels=["eel", "cat"])
    assert classes(loaded) == [1, 0]
    assert find_datasets(tmp_path)["Mine"].classes == 2
    with pytest.raises(BadInput, match="has no class 'cow'; it has cat, dog, eel"):
        adapted(tmp_path, of="Pets", labels=["cow"])


def test_a_frame_scales_and_crops_and_colours(tmp_path: Path) -> None:
    assert adapted(tmp_path, frame=[8, 8]).samples.shape == (12, 1, 8, 8)
    coloured = adapted(tmp_path, frame=[3, 4, 5]).samples
    assert torch.equal(coloured, SAMPLES.expand(12, 3, 4, 5))


def test_padding_is_empty(tmp_path: Path) -> None:
    samples = adapted(tmp_path, pad=2).samples
    assert samples.shape == (12, 1, 8, 9)
    assert torch.equal(samples[:, :, 2:-2, 2:-2], SAMPLES)
    assert int(samples.sum()) == int(SAMPLES.sum())


def test_pixels_above_the_threshold_become_full(tmp_path: Path) -> None:
    samples = adapted(tmp_path, binarize=0.5).samples
    assert torch.equal(samples, torch.where(SAMPLES > 127.5, 255, 0).to(torch.uint8))


def test_an_adapter_keeps_the_levels_of_what_it_adapts(tmp_path: Path) -> None:
    loaded = adapted(tmp_path, of="digits", range=[100], binarize=0.5)
    digits = load_dataset("digits", tmp_path)
    assert torch.equal(loaded.samples, torch.where(digits.samples[:100] > 8, 16, 0).to(torch.uint8))
    assert sorted(set(loaded.inputs.flatten().tolist())) == [-1.0, 1.0]


def test_an_adapter_may_adapt_an_adapter(tmp_path: Path) -> None:
    adapted(tmp_path, range=[4, 10])
    told = {"type": "adapter", "of": "Mine", "labels": [5]}
    (tmp_path / "datasets" / "Five.json").write_text(json.dumps(told))
    assert torch.equal(load_dataset("Five", tmp_path).samples, SAMPLES[5:6])


def test_an_adapter_follows_what_it_adapts(tmp_path: Path) -> None:
    adapted(tmp_path, frame=[8, 8], labels=[2, 3])
    assert find_datasets(tmp_path)["Mine"].size == 2
    put_dataset(tmp_path, "Fans", count=24)
    assert find_datasets(tmp_path)["Mine"].size == len(load_dataset("Mine", tmp_path)) == 6


def test_diannes_own_descriptors_are_read(tmp_path: Path) -> None:
    put_dataset(tmp_path, "Fans")
    home = "be.iminds.iot.dianne.dataset.adapters."
    told = {"dataset": "Fans", "adapter": f"{home}RangeAdapter", "name": "Mine", "range": [2, 4]}
    (tmp_path / "datasets" / "Mine.json").write_text(json.dumps(told))
    assert torch.equal(load_dataset("Mine", tmp_path).samples, SAMPLES[2:4])
    told["range"] = "3"
    (tmp_path / "datasets" / "Mine.json").write_text(json.dumps(told))
    assert torch.equal(load_dataset("Mine", tmp_path).samples, SAMPLES[:3])
    told = {"dataset": "Fans", "adapter": f"{home}BinarizeAdapter"}
    (tmp_path / "datasets" / "Mine.json").write_text(json.dumps(told))
    full = torch.where(SAMPLES > 127.5, 255, 0).to(torch.uint8)
    assert torch.equal(load_dataset("Mine", tmp_path).samples, full)
    told["adapter"] = f"{home}RandomFlipAdapter"
    (tmp_path / "datasets" / "Mine.json").write_text(json.dumps(told))
    with pytest.raises(
        BadInput, match="RandomFlipAdapter is not taken: use the config key augment"
    ):
        load_dataset("Mine", tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"range": [13]}, "its range goes past the last of 12 samples"),
        ({"range": [5, 5]}, "its range is empty"),
        ({"range": [-1]}, "range"),
        ({"labels": [10]}, "Fans has no class 10; it has 0 to 9"),
        ({"labels": ["1.5"]}, "Fans has no class '1.5'"),
        ({"labels": [7], "range": [3]}, "holds no images"),
        ({"frame": [0, 8]}, "frame"),
        ({"frame": [2, 8, 8]}, "frame"),
        ({"pad": 600}, "pad"),
        ({"binarize": 2}, "binarize"),
        ({"hflip": 0.5}, "hflip"),
        ({"of": "Fins"}, "Mine adapts Fins, which is not there"),
        ({"of": "../Fans"}, "of"),
        ({"of": "Mine"}, "Mine adapts itself: Mine of Mine"),
        ({"of": "Yours"}, "Mine adapts itself: Mine of Yours of Mine"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_what_makes_no_sense_is_refused_in_words(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    told = {"type": "adapter", "of": "Mine"}
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "Yours.json").write_text(json.dumps(told))
    with pytest.raises(BadInput) as caught:
        adapted(tmp_path, **options)
    assert words in caught.value.detail
    assert "Mine" not in find_datasets(tmp_path)
