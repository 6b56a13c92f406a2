"""Datasets in memory: kept whole on the training device."""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ganforge.errors import BadInput
from ganforge_learner.dataset_files import (
    DIGITS,
    VALUE_RANGE,
    idx_files,
    read_images,
    unknown_dataset,
)


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


def load_dataset(name: str, data: Path) -> Dataset:
    """Read a dataset into memory.

    Raises:
        UnknownName: the data folder has none of this name.
        BadInput: its files are broken.
    """
    if name == DIGITS.name:
        return _load_digits()
    folder = data / "datasets" / name
    files = idx_files(folder) if folder.is_dir() else None
    if files is None:
        raise unknown_dataset(name, data)
    images, labels = read_images(files)
    return _scaled(name, images, labels, highest=255.0)


def _load_digits() -> Dataset:
    """Read scikit-learn's digits: rows of 64 pixels from 0 to 16, then the class.

    The file is read without importing scikit-learn, which takes longer than the first thousand
    iterations.
    """
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise BadInput("digits comes with scikit-learn: pip install 'ganforge[learner]'")
    rows = np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
    return _scaled(DIGITS.name, rows[:, :64].reshape(-1, 8, 8), rows[:, 64], highest=16.0)


def _scaled(
    name: str, images: npt.NDArray[np.generic], labels: npt.NDArray[np.generic], *, highest: float
) -> Dataset:
    low, high = VALUE_RANGE
    scaled = images.astype(np.float32) * ((high - low) / highest) + low
    inputs = torch.from_numpy(scaled).unsqueeze(1)
    return Dataset(name, inputs, torch.from_numpy(labels.astype(np.int64)))
