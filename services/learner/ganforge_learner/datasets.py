"""Datasets in memory: whole on the training device when they fit, else mapped from a file."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganforge_learner import dataset_plugins
from ganforge_learner.dataset_files import (
    VALUE_RANGE,
    Arrays,
    conversion,
    find_source,
    unknown_dataset,
)

SHARE = 0.5
"""Of the memory that is free, what a dataset may take when nothing else is said."""


@dataclass(frozen=True)
class Dataset:
    """Samples and their classes, as two tensors.

    Attributes:
        name: what jobs call it.
        samples: (N, C, H, W): uint8 from 0 to ``highest``, or floats within ``value_range``.
        targets: int64 (N); None when the samples have no classes.
        highest: the uint8 that stands for the highest value.
        value_range: lowest and highest value of a pixel, as it is learnt from.
        is_mapped: whether the samples lie in a file, too large for the device.
    """

    name: str
    samples: Tensor
    targets: Tensor | None = None
    highest: int = 255
    value_range: tuple[float, float] = VALUE_RANGE
    is_mapped: bool = False

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Give a sample, scaled, and its class: -1 when it has none."""
        target = torch.tensor(-1) if self.targets is None else self.targets[index]
        return self.scaled(self.samples[index]), target

    @property
    def inputs(self) -> Tensor:
        """All samples, scaled, as float32: four times the memory of uint8."""
        return self.scaled(self.samples)

    def scaled(self, samples: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Give samples of this dataset as values within ``value_range``.

        For 255 levels and -1 to 1 that is x * (2 / 255) - 1, exactly as the dtype rounds it.
        """
        if samples.is_floating_point():
            return samples.to(dtype)
        low, high = self.value_range
        # A half float would round in between; it holds the result, though.
        wide = torch.promote_types(dtype, torch.float32)
        return samples.to(wide).mul_((high - low) / self.highest).add_(low).to(dtype)

    def to(self, device: torch.device) -> "Dataset":
        """Give the dataset on another device; mapped samples stay in their file."""
        targets = None if self.targets is None else self.targets.to(device)
        samples = self.samples if self.is_mapped else self.samples.to(device)
        return replace(self, samples=samples, targets=targets)


def load_dataset(
    name: str,
    data: Path,
    *,
    device: torch.device | str = "cpu",
    most_bytes: int | None = None,
) -> Dataset:
    """Read a dataset, and put it on a device.

    Args:
        name: the dataset's.
        data: the data folder.
        device: where it is to be learnt from.
        most_bytes: what its samples may take there; half of what is free when None. A larger one
            is mapped from a file.

    Raises:
        UnknownName: the data folder has none of this name.
        BadInput: its files are broken.
    """
    device = torch.device(device)
    source = find_source(name, data)
    if source is None:
        plugin = dataset_plugins.find(name)
        if plugin is None:
            raise unknown_dataset(name, data)
        return dataset_plugins.load(name, plugin, data).to(device)
    arrays = conversion.read(source, data)
    most = free_bytes(device) * SHARE if most_bytes is None else most_bytes
    if arrays.images.nbytes <= most:
        return _dataset(name, arrays).to(device)
    arrays = conversion.read(source, data, mapped=True)
    return replace(_dataset(name, arrays), is_mapped=True).to(device)


def _dataset(name: str, arrays: Arrays) -> Dataset:
    outline, images = arrays.outline, arrays.images
    classes = None if outline.classes is None else torch.from_numpy(outline.classes)
    return Dataset(name, _tensor(images), classes, outline.highest)


def _tensor(images: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> Tensor:
    # What was read from a buffer cannot be written to, of which torch warns.
    return torch.from_numpy(images if images.flags.writeable else images.copy())


def free_bytes(device: torch.device) -> int:
    """Tell how much memory is free on a device, or would be if caches were given up."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        told = dict(line.split(":", 1) for line in lines)
        return int(told["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 1 << 32  # no Linux: what most machines have to spare
