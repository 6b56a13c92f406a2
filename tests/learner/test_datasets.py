"""Datasets are found in the data folder at any time, and read whole."""

import gzip
import logging
import os
from pathlib import Path

import pytest
import torch

from ganforge.errors import BadInput, UnknownName
from ganforge_learner.dataset_files import find_datasets
from ganforge_learner.datasets import load_dataset
from tests.learner.idx_files import idx_bytes, images, labels, put_dataset

MNIST = Path(__file__).parents[3] / "shared" / "data"


def test_digits_are_always_there(tmp_path: Path) -> None:
    [told] = find_datasets(tmp_path / "nothing").values()
    digits = load_dataset("digits", tmp_path)
    assert (told.name, told.size, told.input_shape, told.classes) == ("digits", 1797, (1, 8, 8), 10)
    assert digits.inputs.shape == (1797, 1, 8, 8)
    assert digits.samples.dtype is torch.uint8
    assert digits.inputs.dtype is torch.float32
    assert (float(digits.inputs.min()), float(digits.inputs.max())) == (-1.0, 1.0)
    assert digits.targets is not None
    assert sorted(set(digits.targets.tolist())) == list(range(10))


def test_a_new_folder_is_found_without_a_restart(tmp_path: Path) -> None:
    assert set(find_datasets(tmp_path)) == {"digits"}
    put_dataset(tmp_path, "Fans")
    assert set(find_datasets(tmp_path)) == {"digits", "Fans"}
    put_dataset(tmp_path, "MNIST", zipped=True)
    assert set(find_datasets(tmp_path)) == {"digits", "Fans", "MNIST"}


def test_a_folder_whose_files_change_is_told_anew(tmp_path: Path) -> None:
    folder = put_dataset(tmp_path, "Fans", count=12)
    before = find_datasets(tmp_path)["Fans"]
    put_dataset(tmp_path, "Fans", count=13)
    after = find_datasets(tmp_path)["Fans"]
    assert (before.size, after.size) == (12, 13)
    assert before.digest != after.digest
    for path in folder.iterdir():
        path.unlink()
    assert "Fans" not in find_datasets(tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_told_is_what_is_loaded(tmp_path: Path, zipped: bool) -> None:
    put_dataset(tmp_path, "Fans", zipped=zipped)
    told = find_datasets(tmp_path)["Fans"]
    loaded = load_dataset("Fans", tmp_path)
    assert told.input_shape == tuple(loaded.inputs.shape[1:]) == (1, 4, 5)
    assert told.size == len(loaded) == 12
    assert told.value_range == loaded.value_range == (-1.0, 1.0)
    wanted = torch.from_numpy(images(12)).unsqueeze(1) / 127.5 - 1
    torch.testing.assert_close(loaded.inputs, wanted)
    assert loaded.targets is not None
    assert loaded.targets.tolist() == labels(12).tolist()
    sample, target = loaded[11]
    assert torch.equal(sample, loaded.inputs[11])
    assert int(target) == 1


def test_the_same_images_have_the_same_digest_however_they_are_packed(tmp_path: Path) -> None:
    put_dataset(tmp_path, "Plain")
    put_dataset(tmp_path, "Packed", zipped=True)
    told = find_datasets(tmp_path)
    assert told["Plain"].digest == told["Packed"].digest


def test_train_is_preferred_and_t10k_will_do(tmp_path: Path) -> None:
    put_dataset(tmp_path, "Both", count=5, split="t10k")
    assert len(load_dataset("Both", tmp_path)) == 5
    put_dataset(tmp_path, "Both", count=9, split="train", zipped=True)
    assert find_datasets(tmp_path)["Both"].size == 9
    assert len(load_dataset("Both", tmp_path)) == 9


def test_a_split_without_its_labels_does_not_count(tmp_path: Path) -> None:
    folder = put_dataset(tmp_path, "Half", count=5, split="t10k")
    (folder / "train-images-idx3-ubyte").write_bytes(idx_bytes(images(9)))
    assert find_datasets(tmp_path)["Half"].size == 5
    assert len(load_dataset("Half", tmp_path)) == 5


@pytest.mark.parametrize("name", ["with spaces", "9to5", ".hidden", "umläut", "x" * 65, "-rf"])
def test_an_odd_folder_name_is_left_out_and_logged(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    put_dataset(tmp_path, name)
    put_dataset(tmp_path, "Good")
    with caplog.at_level(logging.WARNING):
        assert set(find_datasets(tmp_path)) == {"digits", "Good"}
    assert name in caplog.text


def test_files_and_empty_folders_among_the_datasets_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "datasets" / "Empty").mkdir(parents=True)
    (tmp_path / "datasets" / "README").write_text("hello")
    (tmp_path / "datasets" / "Gone").symlink_to(tmp_path / "nowhere")
    assert set(find_datasets(tmp_path)) == {"digits"}


def test_a_linked_folder_is_a_dataset(tmp_path: Path) -> None:
    elsewhere = put_dataset(tmp_path / "elsewhere", "Fans")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "Linked").symlink_to(elsewhere)
    assert find_datasets(tmp_path)["Linked"].name == "Linked"


def test_a_broken_dataset_is_left_out_and_says_so_when_it_is_loaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = put_dataset(tmp_path, "Broken")
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    put_dataset(tmp_path, "Good")
    with caplog.at_level(logging.WARNING):
        assert set(find_datasets(tmp_path)) == {"digits", "Good"}
    assert "12x4x5 bytes but holds 239" in caplog.text
    with pytest.raises(BadInput, match="12x4x5 bytes but holds 239"):
        load_dataset("Broken", tmp_path)


def test_images_and_labels_must_be_equally_many(tmp_path: Path) -> None:
    folder = put_dataset(tmp_path, "Odd", count=12)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels(11)))
    with pytest.raises(BadInput, match="Odd: 12 images but 11 labels"):
        load_dataset("Odd", tmp_path)


def test_a_folder_called_digits_does_not_stand_for_the_real_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put_dataset(tmp_path, "digits")
    with caplog.at_level(logging.WARNING):
        assert find_datasets(tmp_path)["digits"].size == 1797
    assert "digits" in caplog.text
    assert len(load_dataset("digits", tmp_path)) == 1797


@pytest.mark.parametrize("name", ["MNIST", "nothing", "../datasets/Fans", "", "."])
def test_an_unknown_dataset_is_refused_with_what_is_known(tmp_path: Path, name: str) -> None:
    put_dataset(tmp_path, "Mnist")
    with pytest.raises(UnknownName) as caught:
        load_dataset(name, tmp_path)
    assert caught.value.members["known"] == ["Mnist", "digits"]


def test_a_misspelt_dataset_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'digits'"):
        load_dataset("digit", tmp_path)


@pytest.mark.skipif(
    not (MNIST / "t10k-images-idx3-ubyte.gz").exists(), reason=f"MNIST does not lie in {MNIST}"
)
def test_mnist_is_read_as_published(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    os.symlink(MNIST, tmp_path / "datasets" / "MNIST")
    told = find_datasets(tmp_path)["MNIST"]
    assert (told.size, told.input_shape) == (10_000, (1, 28, 28))
    mnist = load_dataset("MNIST", tmp_path)
    assert mnist.inputs.shape == (10_000, 1, 28, 28)
    assert (float(mnist.inputs.min()), float(mnist.inputs.max())) == (-1.0, 1.0)
    assert mnist.targets is not None
    assert mnist.targets[:5].tolist() == [7, 2, 1, 0, 4]
    raw = gzip.decompress((MNIST / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    shades = ((mnist.inputs + 1) * 127.5).round().to(torch.uint8)
    assert shades.numpy().tobytes() == raw
