"""CIFAR-10's binary batches are read as published."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ganforge.errors import BadInput
from ganforge_learner.dataset_files import find_datasets
from ganforge_learner.datasets import load_dataset
from tests.learner.dataset_files.pictures import Bytes, colours

IMAGES = colours(7, 32, 32)
LABELS = np.array([3, 9, 0, 1, 1, 8, 2], np.uint8)


def records(images: Bytes, labels: Bytes) -> bytes:
    return np.concatenate((labels[:, None], images.reshape(len(images), -1)), axis=1).tobytes()


def put_cifar(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "data_batch_1.bin").write_bytes(records(IMAGES[:4], LABELS[:4]))
    (folder / "data_batch_2.bin").write_bytes(records(IMAGES[4:], LABELS[4:]))
    (folder / "test_batch.bin").write_bytes(records(IMAGES[:1], LABELS[:1]))
    (folder / "batches.meta.txt").write_text("airplane\n")
    return folder


@pytest.mark.parametrize("unpacked", ["", "cifar-10-batches-bin"])
def test_the_training_batches_are_read_in_order(tmp_path: Path, unpacked: str) -> None:
    put_cifar(tmp_path / "datasets" / "CIFAR-10" / unpacked)
    told = find_datasets(tmp_path)["CIFAR-10"]
    assert (told.size, told.input_shape, told.classes) == (7, (3, 32, 32), 10)
    loaded = load_dataset("CIFAR-10", tmp_path)
    assert torch.equal(loaded.samples, torch.from_numpy(IMAGES))
    assert loaded.targets is not None
    assert loaded.targets.tolist() == LABELS.tolist()


def test_the_test_batch_alone_will_do(tmp_path: Path) -> None:
    folder = put_cifar(tmp_path / "datasets" / "CIFAR-10")
    for path in folder.glob("data_batch_*"):
        path.unlink()
    assert find_datasets(tmp_path)["CIFAR-10"].size == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (records(IMAGES, LABELS)[:-1], "data_batch_2.bin holds 21510 bytes"),
        (b"", "data_batch_2.bin holds 0 bytes"),
        (records(IMAGES[:1], np.array([10], np.uint8)), "data_batch_2.bin has a label of 10"),
    ],
    ids=["cut", "empty", "label"],
)
def test_a_broken_batch_is_refused_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    folder = put_cifar(tmp_path / "datasets" / "CIFAR-10")
    (folder / "data_batch_2.bin").write_bytes(content)
    assert "CIFAR-10" not in find_datasets(tmp_path)
    with pytest.raises(BadInput, match=words):
        load_dataset("CIFAR-10", tmp_path)
