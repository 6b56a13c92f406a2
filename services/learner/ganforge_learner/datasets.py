"""Datasets: found in the data folder without a restart, kept whole on the training device."""

import hashlib
import logging
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ganforge.errors import BadInput, UnknownName
from ganforge.wire.datasets import DatasetInfo
from ganforge_learner.idx import read_idx

logger = logging.getLogger(__name__)

VALUE_RANGE = (-1.0, 1.0)
"""What pixels are scaled to, as a generator that ends in Tanh makes them."""

DIGITS = DatasetInfo(
    name="digits", input_shape=(1, 8, 8), size=1797, classes=10, value_range=VALUE_RANGE
)

_SPLITS = ("train", "t10k")  # train-* preferred


@dataclass(frozen=True)
class Dataset:
    """Samples and their classes, as two tensors.

    Attributes:
        name: what jobs call it.
        inputs: float32 (N, C, H, W), values within ``value_range``.
        targets: int64 (N).
        value_range: lowest and highest value of a pixel.
    """

    name: str
    inputs: torch.Tensor
    targets: torch.Tensor
    value_range: tuple[float, float] = VALUE_RANGE

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inputs[index], self.targets[index]

    def to(self, device: torch.device) -> "Dataset":
        """Give the dataset on another device."""
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))


def find_datasets(data: Path) -> dict[str, DatasetInfo]:
    """Tell what the data folder holds; ``digits`` is always there.

    A folder below ``datasets/`` that holds IDX files is a dataset of its name; one whose files
    are broken is left out and logged.
    """
    found = {DIGITS.name: DIGITS}
    folders = sorted((data / "datasets").glob("*/"))
    for folder in folders:
        files = _idx_files(folder)
        if files is None:
            continue
        try:
            images = read_idx(files[0], 3)
        except BadInput as error:
            logger.warning("a dataset is broken: %s", error.detail)
            continue
        size, height, width = images.shape
        found[folder.name] = DatasetInfo(
            name=folder.name,
            input_shape=(1, height, width),
            size=size,
            classes=10,
            digest=f"sha256:{hashlib.sha256(images.tobytes()).hexdigest()}",
            value_range=VALUE_RANGE,
        )
    return found


def load_dataset(name: str, data: Path) -> Dataset:
    """Read a dataset into memory.

    Raises:
        UnknownName: the data folder has none of this name.
        BadInput: its files are broken.
    """
    if name == DIGITS.name:
        return _load_digits()
    folder = data / "datasets" / name
    files = _idx_files(folder) if folder.is_dir() else None
    if files is None:
        raise _unknown(name, data)
    images = read_idx(files[0], 3)
    labels = read_idx(files[1], 1)
    if len(images) != len(labels):
        raise BadInput(f"{name}: {len(images)} images but {len(labels)} labels")
    return _scaled(name, images, labels, highest=255.0)


def _idx_files(folder: Path) -> tuple[Path, Path] | None:
    for split in _SPLITS:
        images = _either(folder, f"{split}-images-idx3-ubyte")
        labels = _either(folder, f"{split}-labels-idx1-ubyte")
        if images is not None and labels is not None:
            return images, labels
    return None


def _either(folder: Path, name: str) -> Path | None:
    """Find a file as published, gzipped or not."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)


def _load_digits() -> Dataset:
    # Imported here, since it takes a second that only jobs on digits should pay.
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return _scaled(DIGITS.name, images.reshape(-1, 8, 8), labels, highest=16.0)


def _scaled(
    name: str, images: npt.NDArray[np.generic], labels: npt.NDArray[np.generic], *, highest: float
) -> Dataset:
    low, high = VALUE_RANGE
    scaled = images.astype(np.float32) * ((high - low) / highest) + low
    inputs = torch.from_numpy(scaled).unsqueeze(1)
    return Dataset(name, inputs, torch.from_numpy(labels.astype(np.int64)))


def _unknown(name: str, data: Path) -> UnknownName:
    known = sorted(find_datasets(data))
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return UnknownName(f"there is no dataset {name!r} in {data / 'datasets'}; {hint}", known=known)
