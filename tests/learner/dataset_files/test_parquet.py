"""Parquet is read with images as files or as lists, as Hugging Face and others write it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ganforge.errors import BadInput
from ganforge_learner.dataset_files import find_datasets
from ganforge_learner.datasets import Dataset, load_dataset
from tests.learner.dataset_files.pictures import claimed, colours, encoded

IMAGES = colours(5)
LABELS = [3, 0, 1, 1, 2]
FILES = [{"bytes": encoded(image), "path": f"{at}.png"} for at, image in enumerate(IMAGES)]


def put_parquet(data: Path, name: str = "Things.parquet", **columns: list[Any]) -> Path:
    path = data / "datasets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def load(data: Path, told: dict[str, Any] | None = None) -> Dataset:
    if told is not None:
        whole = {"type": "parquet", "path": "Things.parquet", **told}
        (data / "datasets" / "Things.json").write_text(json.dumps(whole))
    return load_dataset("Things", data)


@pytest.mark.parametrize(
    "cells",
    [
        FILES,
        [file["bytes"] for file in FILES],
        IMAGES.tolist(),
        IMAGES.transpose(0, 2, 3, 1).tolist(),
    ],
    ids=["structs", "bytes", "NCHW", "NHWC"],
)
def test_images_are_read_in_every_usual_form(tmp_path: Path, cells: list[Any]) -> None:
    put_parquet(tmp_path, image=cells, label=LABELS)
    told = find_datasets(tmp_path)["Things"]
    assert (told.size, told.input_shape, told.classes) == (5, (3, 6, 5), 4)
    loaded = load(tmp_path)
    assert torch.equal(loaded.samples, torch.from_numpy(IMAGES))
    assert loaded.targets is not None
    assert loaded.targets.tolist() == LABELS


def test_a_row_of_numbers_is_a_square(tmp_path: Path) -> None:
    squares = colours(3, 4, 4, channels=1)
    put_parquet(tmp_path, pixels=squares.reshape(3, -1).tolist())
    loaded = load(tmp_path)
    assert torch.equal(loaded.samples, torch.from_numpy(squares))
    assert loaded.targets is None


def test_several_files_are_one_dataset_and_training_ones_are_preferred(tmp_path: Path) -> None:
    put_parquet(tmp_path, "Many/train-00001-of-00002.parquet", image=FILES[3:], label=LABELS[3:])
    put_parquet(tmp_path, "Many/train-00000-of-00002.parquet", image=FILES[:3], label=LABELS[:3])
    put_parquet(tmp_path, "Many/test-00000-of-00001.parquet", image=FILES, label=LABELS)
    loaded = load_dataset("Many", tmp_path)
    assert torch.equal(loaded.samples, torch.from_numpy(IMAGES))


def test_columns_and_sizes_may_be_said(tmp_path: Path) -> None:
    put_parquet(tmp_path, photo=FILES, kind=["b", "a", "b", "c", "a"])
    with pytest.raises(BadInput, match="it has photo, kind; name yours in a descriptor"):
        load(tmp_path)
    loaded = load(
        tmp_path, {"imageColumn": "photo", "labelColumn": "kind", "size": 4, "channels": 1}
    )
    assert loaded.samples.shape == (5, 1, 4, 4)
    assert loaded.targets is not None
    assert loaded.targets.tolist() == [1, 0, 1, 2, 0]


def test_secret_labels_are_none(tmp_path: Path) -> None:
    put_parquet(tmp_path, image=FILES, label=[-1] * 5)
    assert load(tmp_path).targets is None


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"image": FILES, "label": [0, None, 1, 2, 3]}, "no class in every row"),
        ({"image": FILES, "label": [0.5] * 5}, "no class in every row"),
        ({"image": FILES, "label": [-1, 0, 1, 2, 3]}, "labels from -1 to 3"),
        ({"image": [*FILES[:4], None], "label": LABELS}, "a row without an image"),
        ({"image": [*FILES[:4], {"bytes": b"no", "path": ""}]}, "Things, row 4 cannot be read"),
        ({"image": [{"bytes": claimed(30_000, 30_000)}]}, "Things, row 0 is no PNG or JPEG"),
        ({"image": [[300] * 16]}, "values that are no bytes"),
        ({"image": [[1] * 15]}, "is no image"),
        ({"image": [[1] * 16, [1] * 9]}, "row 1 has another shape than row 0"),
        ({"image": ["words"]}, "is no image"),
        ({"image": pa.array([], pa.binary())}, "holds no images"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_what_is_no_dataset_is_refused_in_words(
    tmp_path: Path, columns: dict[str, Any], words: str
) -> None:
    put_parquet(tmp_path, **columns)
    find_datasets(tmp_path)
    with pytest.raises(BadInput) as caught:
        load(tmp_path)
    assert words in caught.value.detail
    assert "Things" not in find_datasets(tmp_path)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = put_parquet(tmp_path, image=FILES)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadInput, match=r"Things\.parquet cannot be read"):
        load(tmp_path)
    assert "Things" not in find_datasets(tmp_path)
