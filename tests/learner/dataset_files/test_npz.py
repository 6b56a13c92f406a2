"""An .npz is read whatever its arrays are called and laid out, and never unpickled."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganforge.errors import BadInput
from ganforge_learner.dataset_files import find_datasets
from ganforge_learner.datasets import Dataset, load_dataset
from tests.learner.dataset_files.pictures import colours

IMAGES = colours(5)
LABELS = np.array([0, 2, 1, 1, 0])


def put_npz(data: Path, *, packed: bool = False, **arrays: Any) -> Path:
    path = data / "datasets" / "Things.npz"
    path.parent.mkdir(exist_ok=True)
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return path


def load(data: Path, told: dict[str, Any] | None = None) -> Dataset:
    if told is not None:
        whole = {"type": "npz", "path": "Things.npz", **told}
        (data / "datasets" / "Things.json").write_text(json.dumps(whole))
    return load_dataset("Things", data)


def refused(data: Path, told: dict[str, Any] | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        load(data, told)
    assert "Things" not in find_datasets(data)
    return caught.value.detail


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("images", "labels"), [("images", "labels"), ("x", "y"), ("inputs", "targets")]
)
def test_usual_names_are_found(tmp_path: Path, images: str, labels: str, packed: bool) -> None:
    put_npz(tmp_path, packed=packed, **{images: IMAGES, labels: LABELS})
    told = find_datasets(tmp_path)["Things"]
    assert (told.size, told.input_shape, told.classes) == (5, (3, 6, 5), 3)
    loaded = load(tmp_path)
    assert torch.equal(loaded.samples, torch.from_numpy(IMAGES))
    assert loaded.targets is not None
    assert loaded.targets.tolist() == LABELS.tolist()


@pytest.mark.parametrize("order", ["C", "F"])
def test_channels_may_come_last_or_not_at_all(tmp_path: Path, order: Any) -> None:
    put_npz(tmp_path, images=np.asarray(IMAGES.transpose(0, 2, 3, 1), order=order))
    assert torch.equal(load(tmp_path).samples, torch.from_numpy(IMAGES))
    put_npz(tmp_path, images=np.asarray(IMAGES[:, 0], order=order))
    loaded = load(tmp_path)
    assert torch.equal(loaded.samples, torch.from_numpy(IMAGES[:, :1]))
    assert loaded.targets is None


def test_odd_names_are_said_in_a_descriptor(tmp_path: Path) -> None:
    put_npz(tmp_path, odd=IMAGES, stranger=LABELS[:, None])
    assert "it holds odd, stranger; name yours in a descriptor" in refused(tmp_path)
    loaded = load(tmp_path, {"images": "odd", "labels": "stranger"})
    assert loaded.targets is not None
    assert loaded.targets.tolist() == LABELS.tolist()
    assert "no array called gone" in refused(tmp_path, {"images": "odd", "labels": "gone"})


def test_floats_of_a_stated_range_become_bytes(tmp_path: Path) -> None:
    put_npz(tmp_path, images=(IMAGES / 127.5 - 1).astype(np.float32))
    assert "say their range in a descriptor, as valueRange" in refused(tmp_path)
    loaded = load(tmp_path, {"valueRange": [-1, 1]})
    assert torch.equal(loaded.samples, torch.from_numpy(IMAGES))
    assert "values that are not from 0 to 1" in refused(tmp_path, {"valueRange": [0, 1]})
    assert "valueRange must rise" in refused(tmp_path, {"valueRange": [1, -1]})


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": IMAGES, "labels": LABELS[:4]}, "5 images but 4 labels"),
        ({"images": IMAGES, "labels": LABELS - 1}, "labels from -1 to 1"),
        ({"images": IMAGES, "labels": LABELS / 2}, "labels of float64"),
        ({"images": IMAGES[:0]}, "holds no images"),
        ({"images": IMAGES[:, :, :0]}, "holds no images"),
        ({"images": IMAGES[0, 0]}, "images in 2 dimensions"),
        ({"images": colours(2, channels=4)}, "images of 4 channels"),
        ({"images": IMAGES.astype(np.int32)}, "images of int32"),
        ({"images": np.array([None] * 4)}, "Python objects"),
        ({"labels": LABELS}, "no array called images or x"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_what_is_no_dataset_is_refused_in_words(
    tmp_path: Path, arrays: dict[str, Any], words: str
) -> None:
    put_npz(tmp_path, **arrays)
    detail = refused(tmp_path)
    assert "Things.npz" in detail
    assert words in detail


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = put_npz(tmp_path, images=IMAGES)
    path.write_bytes(path.read_bytes()[:-100])
    assert "Things.npz cannot be read" in refused(tmp_path)


def test_a_head_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    path = put_npz(tmp_path, images=IMAGES)
    head = io.BytesIO()
    shape = (2**40, 2**20, 3)
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", head.getvalue() + bytes(100))
    assert f"tells of {2**60 * 3} numbers but holds" in refused(tmp_path)
