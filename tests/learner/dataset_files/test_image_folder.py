"""Image folders: classes by sub-folder, pictures of any size, broken ones named."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganforge.errors import BadInput
from ganforge_learner.dataset_files import find_datasets
from ganforge_learner.datasets import Dataset, load_dataset
from tests.learner.dataset_files.pictures import claimed, colours, encoded, put_picture

IMAGES = colours(4)


def put_classes(data: Path) -> Path:
    """Put four pictures into the folders of two classes."""
    folder = data / "datasets" / "Pets"
    for at, name in enumerate(("dog/a", "dog/b", "cat/z", "cat/A")):
        put_picture(folder / f"{name}.png", IMAGES[at])
    return folder


def refused(data: Path) -> str:
    """Give the words a job is refused with; the listing leaves the dataset out."""
    find_datasets(data)
    with pytest.raises(BadInput) as caught:
        load_dataset("Pets", data)
    assert "Pets" not in find_datasets(data)
    return caught.value.detail


def test_sub_folders_are_classes_in_the_order_of_their_names(tmp_path: Path) -> None:
    put_classes(tmp_path)
    told = find_datasets(tmp_path)["Pets"]
    assert (told.size, told.input_shape, told.classes) == (4, (3, 6, 5), 2)
    loaded = load_dataset("Pets", tmp_path)
    assert torch.equal(loaded.samples, torch.from_numpy(IMAGES[[3, 2, 0, 1]]))
    assert loaded.targets is not None
    assert loaded.targets.tolist() == [0, 0, 1, 1]
    assert told.digest is None
    assert find_datasets(tmp_path)["Pets"].digest is not None


def test_a_flat_folder_has_no_classes(tmp_path: Path) -> None:
    for at, image in enumerate(IMAGES):
        put_picture(tmp_path / "datasets" / "Pets" / f"{at}.png", image)
    (tmp_path / "datasets" / "Pets" / "notes.txt").write_text("mine")
    assert find_datasets(tmp_path)["Pets"].classes is None
    loaded = load_dataset("Pets", tmp_path)
    assert loaded.targets is None
    assert len(loaded) == 4


def test_the_training_half_is_taken_where_there_are_two(tmp_path: Path) -> None:
    for at, name in enumerate(("train/dog/a", "train/cat/b", "test/cat/c")):
        put_picture(tmp_path / "datasets" / "Pets" / f"{name}.png", IMAGES[at])
    assert find_datasets(tmp_path)["Pets"].size == 2


def test_pictures_are_grey_when_all_of_them_are(tmp_path: Path) -> None:
    grey = colours(2, channels=1)
    put_picture(tmp_path / "datasets" / "Pets" / "1.png", grey[0])
    put_picture(tmp_path / "datasets" / "Pets" / "2.png", grey[1])
    assert torch.equal(load_dataset("Pets", tmp_path).samples, torch.from_numpy(grey))
    put_picture(tmp_path / "datasets" / "Pets" / "3.png", IMAGES[0])
    assert find_datasets(tmp_path)["Pets"].input_shape == (3, 6, 5)
    samples = load_dataset("Pets", tmp_path).samples
    assert torch.equal(samples[0], torch.from_numpy(grey[0]).expand(3, 6, 5))


def described(data: Path, **keys: object) -> Dataset:
    told = {"type": "images", **keys}
    (data / "datasets" / "Pets" / "dataset.json").write_text(json.dumps(told))
    loaded = load_dataset("Pets", data)
    assert find_datasets(data)["Pets"].input_shape == tuple(loaded.samples.shape[1:])
    return loaded


def test_mixed_sizes_are_scaled_and_cropped_around_the_centre(tmp_path: Path) -> None:
    # White with a red frame left and right: what is cropped away.
    wide = np.full((3, 8, 16), 255, np.uint8)
    wide[1:, :, :4] = wide[1:, :, 12:] = 0
    put_picture(tmp_path / "datasets" / "Pets" / "wide.png", wide)
    tall = np.ascontiguousarray(wide.transpose(0, 2, 1))
    put_picture(tmp_path / "datasets" / "Pets" / "tall.png", tall)
    samples = described(tmp_path, size=8).samples
    assert torch.equal(samples, torch.full((2, 3, 8, 8), 255, dtype=torch.uint8))
    assert described(tmp_path, size=[4, 6], channels=1).samples.shape == (2, 1, 4, 6)


def test_the_commonest_size_is_taken_when_none_is_said(tmp_path: Path) -> None:
    for at, side in enumerate((9, 7, 7, 8)):
        put_picture(tmp_path / "datasets" / "Pets" / f"{at}.jpg", colours(1, side, side)[0])
    assert find_datasets(tmp_path)["Pets"].input_shape == (3, 7, 7)


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    flat = np.zeros((3, 4, 8), np.uint8)
    flat[:, :, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 8  # the camera was turned: the left side is the bottom
    path = put_picture(tmp_path / "datasets" / "Pets" / "1.png", flat)
    path.write_bytes(encoded(flat, exif=exif))
    upright = described(tmp_path, size=[8, 4]).samples[0]
    assert (int(upright[0, 0, 0]), int(upright[0, 7, 0])) == (0, 255)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"just words\n", "Pets/dog/c.png is no PNG or JPEG"),
        (b"", "Pets/dog/c.png is no PNG or JPEG"),
        (encoded(IMAGES[0])[:-30], "Pets/dog/c.png cannot be read"),
        (encoded(IMAGES[0], "GIF"), "Pets/dog/c.png is no PNG or JPEG"),
        (claimed(9000, 9000), "Pets/dog/c.png has 9000x9000 pixels"),
        (claimed(60_000, 60_000), "Pets/dog/c.png is no PNG or JPEG"),
        (claimed(2**31 - 1, 2**31 - 1), "Pets/dog/c.png is no PNG or JPEG"),
    ],
    ids=["text", "empty", "cut", "gif", "large", "bomb", "overflow"],
)
def test_a_broken_picture_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    folder = put_classes(tmp_path)
    (folder / "dog" / "c.png").write_bytes(content)
    assert words in refused(tmp_path)


def test_a_picture_with_more_than_eight_bits_is_refused(tmp_path: Path) -> None:
    folder = put_classes(tmp_path)
    Image.fromarray(np.full((6, 5), 40_000, np.uint16)).save(folder / "dog" / "c.png")
    assert "Pets/dog/c.png has more than 8 bits a pixel" in refused(tmp_path)


def test_large_pictures_need_a_size(tmp_path: Path) -> None:
    put_picture(tmp_path / "datasets" / "Pets" / "1.png", colours(1, 2, 1100)[0])
    assert "give a size in a descriptor" in refused(tmp_path)
    assert described(tmp_path, size=16).samples.shape == (1, 3, 16, 16)


def test_a_loose_picture_beside_classes_is_refused(tmp_path: Path) -> None:
    folder = put_classes(tmp_path)
    put_picture(folder / "lost.png", IMAGES[0])
    assert "Pets has Pets/lost.png beside its classes' folders" in refused(tmp_path)


def test_a_repaired_picture_brings_the_dataset_back(tmp_path: Path) -> None:
    folder = put_classes(tmp_path)
    path = folder / "dog" / "a.png"
    path.write_bytes(encoded(IMAGES[0])[:-30])
    refused(tmp_path)
    put_picture(path, IMAGES[0])
    assert find_datasets(tmp_path)["Pets"].size == len(load_dataset("Pets", tmp_path)) == 4


def test_a_changed_picture_is_read_anew(tmp_path: Path) -> None:
    folder = put_classes(tmp_path)
    load_dataset("Pets", tmp_path)
    before = find_datasets(tmp_path)["Pets"].digest
    put_picture(folder / "cat" / "A.png", IMAGES[0])
    os.utime(folder / "cat" / "A.png", ns=(1, 1))
    assert torch.equal(load_dataset("Pets", tmp_path).samples[0], torch.from_numpy(IMAGES[0]))
    assert find_datasets(tmp_path)["Pets"].digest not in (None, before)
    cache = tmp_path / "datasets" / ".cache"
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1
