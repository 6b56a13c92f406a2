"""Datasets as files: found in the data folder without a restart; no torch."""

import logging
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ganforge import digest
from ganforge.errors import BadInput, UnknownName
from ganforge.wire.datasets import DatasetInfo
from ganforge_learner.idx import read_idx

Bytes = npt.NDArray[np.uint8]

logger = logging.getLogger(__name__)

VALUE_RANGE = (-1.0, 1.0)
"""What pixels are scaled to, as a generator that ends in Tanh makes them."""

DIGITS = DatasetInfo(
    name="digits", input_shape=(1, 8, 8), size=1797, classes=10, value_range=VALUE_RANGE
)

_SPLITS = ("train", "t10k")  # train-* preferred


def find_datasets(data: Path) -> dict[str, DatasetInfo]:
    """Tell what the data folder holds; ``digits`` is always there.

    A folder below ``datasets/`` that holds IDX files is a dataset of its name; one whose files
    are broken is left out and logged.
    """
    found = {DIGITS.name: DIGITS}
    folders = sorted((data / "datasets").glob("*/"))
    for folder in folders:
        files = idx_files(folder)
        if files is None:
            continue
        if folder.name in found:
            logger.warning("a folder has a built-in dataset's name: rename %s", folder)
            continue
        try:
            changed = tuple(file.stat().st_mtime_ns for file in files)
            found[folder.name] = _describe(files, changed)
        except BadInput as error:
            logger.warning("a dataset is broken, so it is left out: %s", error.detail)
        except ValidationError:
            logger.warning("a folder's name is no dataset's, so it is left out: %s", folder.name)
    return found


@lru_cache(maxsize=64)
def _describe(files: tuple[Path, Path], changed: tuple[int, ...]) -> DatasetInfo:
    """Tell of a folder's dataset; looks again only when a file has changed."""
    images, labels = read_images(files)
    return DatasetInfo(
        name=files[0].parent.name,
        input_shape=(1, *images.shape[1:]),
        size=len(images),
        classes=int(labels.max()) + 1,
        digest=digest.of_bytes(images.tobytes() + labels.tobytes()),
        value_range=VALUE_RANGE,
    )


def read_images(files: tuple[Path, Path]) -> tuple[Bytes, Bytes]:
    """Read a folder's images (N, H, W) and labels (N).

    Raises:
        BadInput: a file is broken, or there are not as many labels as images.
    """
    images, labels = read_idx(files[0], 3), read_idx(files[1], 1)
    if len(images) != len(labels):
        raise BadInput(f"{files[0].parent.name}: {len(images)} images but {len(labels)} labels")
    return images, labels


def idx_files(folder: Path) -> tuple[Path, Path] | None:
    """Find a folder's images and labels; None when they are not there."""
    for split in _SPLITS:
        images = _either(folder, f"{split}-images-idx3-ubyte")
        labels = _either(folder, f"{split}-labels-idx1-ubyte")
        if images is not None and labels is not None:
            return images, labels
    return None


def _either(folder: Path, name: str) -> Path | None:
    """Find a file as published, gzipped or not."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)


def unknown_dataset(name: str, data: Path) -> UnknownName:
    """Say that there is no dataset ``name``, and which was probably meant."""
    known = sorted(find_datasets(data))
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return UnknownName(f"there is no dataset {name!r} in {data / 'datasets'}; {hint}", known=known)
