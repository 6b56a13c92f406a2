"""A conversion is made once, whole or not at all, and can be done without."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ganforge.errors import BadInput
from ganforge_learner.dataset_files import conversion, find_datasets, find_source
from ganforge_learner.datasets import load_dataset
from tests.learner.dataset_files.pictures import colours, put_picture
from tests.learner.idx_files import put_dataset

IMAGES = colours(3)


def put_pets(data: Path) -> Path:
    for at, image in enumerate(IMAGES):
        put_picture(data / "datasets" / "Pets" / "dog" / f"{at}.png", image)
    return data / "datasets" / ".cache"


def test_what_was_converted_is_not_read_again(tmp_path: Path) -> None:
    cache = put_pets(tmp_path)
    load_dataset("Pets", tmp_path)
    [images] = cache.glob("*/images.npy")
    np.save(images, np.zeros_like(IMAGES))
    assert int(load_dataset("Pets", tmp_path).samples.sum()) == 0


def test_a_half_written_conversion_does_not_count(tmp_path: Path) -> None:
    cache = put_pets(tmp_path)
    load_dataset("Pets", tmp_path)
    [about] = cache.glob("*/about.json")
    about.write_text("{")
    # As after a crash of the machine; not as after one of the process, which leaves nothing.
    source = find_source("Pets", tmp_path)
    assert source is not None
    assert conversion.known_outline(source, source.stamp(), tmp_path) is None
    assert find_datasets(tmp_path)["Pets"].digest is None


def test_nothing_is_left_aside(tmp_path: Path) -> None:
    cache = put_pets(tmp_path)
    old = cache / "dead.part"
    old.mkdir(parents=True)
    os.utime(old, (1, 1))
    load_dataset("Pets", tmp_path)
    assert not list(cache.glob("*.part"))
    (tmp_path / "datasets" / "Pets" / "dog" / "9.png").write_bytes(b"broken")
    with pytest.raises(BadInput):
        load_dataset("Pets", tmp_path)
    assert not list(cache.glob("*.part"))


def test_a_folder_that_cannot_be_written_to_is_read_every_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = put_pets(tmp_path)
    cache.write_text("no folder")  # as root, no permission would stand in the way
    loaded = load_dataset("Pets", tmp_path)
    assert torch.equal(loaded.samples, torch.from_numpy(IMAGES))
    assert "a conversion cannot be kept" in caplog.text
    with pytest.raises(BadInput, match="Pets is larger than memory and cannot be converted"):
        load_dataset("Pets", tmp_path, most_bytes=10)


@pytest.mark.parametrize("name", ["Pets", "Fans"])
def test_a_dataset_larger_than_its_share_is_mapped(tmp_path: Path, name: str) -> None:
    put_pets(tmp_path)
    put_dataset(tmp_path, "Fans")
    resident = load_dataset(name, tmp_path)
    size = resident.samples.numel()
    assert not load_dataset(name, tmp_path, most_bytes=size).is_mapped
    mapped = load_dataset(name, tmp_path, most_bytes=size - 1)
    assert mapped.is_mapped
    assert torch.equal(mapped.samples, resident.samples)
    assert mapped.targets is not None
    assert resident.targets is not None
    assert torch.equal(mapped.targets, resident.targets)


def test_the_listing_does_without_torch(tmp_path: Path) -> None:
    put_pets(tmp_path)
    script = (
        "import sys; from pathlib import Path; from ganforge_learner.dataset_files import "
        "find_datasets; print(sorted(find_datasets(Path(sys.argv[1])))); "
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "['Pets', 'digits']\n", done.stderr
