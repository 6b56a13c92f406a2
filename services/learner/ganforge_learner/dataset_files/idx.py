"""The IDX format, in which MNIST and Fashion-MNIST are published (LeCun et al., MNIST's page)."""

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.source import (
    Arrays,
    Outline,
    Stamp,
    WholeSource,
    checked,
    stamp_of,
)

UNSIGNED_BYTES = 0x08
MAX_BYTES = 1 << 31

_SPLITS = ("train", "t10k")  # train-* preferred


@dataclass(frozen=True)
class IdxSource(WholeSource):
    """Grey images and their labels in two IDX files, as MNIST and Fashion-MNIST are published."""

    images: Path
    labels: Path

    def stamp(self) -> Stamp:
        """Tell of both files."""
        return stamp_of([self.images, self.labels], under=self.images.parent)

    def read(self) -> Arrays:
        """Read both files."""
        images, labels = read_idx(self.images, 3)[:, None], read_idx(self.labels, 1)
        outline = Outline((1, *images.shape[2:]), len(images), labels.astype(np.int64))
        return checked(Arrays(outline, images), where=self.name)


def find_idx(name: str, folder: Path) -> IdxSource | None:
    """Find a folder's IDX files; None when there are none.

    Raises:
        BadInput: there are images, but no labels.
    """
    without = None
    for split in _SPLITS:
        images = _either(folder, f"{split}-images-idx3-ubyte")
        labels = _either(folder, f"{split}-labels-idx1-ubyte")
        if images is not None and labels is not None:
            return IdxSource(name, images, labels)
        without = without or images
    if without is not None:
        raise BadInput(
            f"{name} has {without.name} but no labels for it: put "
            f"{without.name.replace('images-idx3', 'labels-idx1')} beside it"
        )
    return None


def _either(folder: Path, name: str) -> Path | None:
    """Find a file as published, gzipped or not."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)


def read_idx(path: Path, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not.

    Layout: two zero bytes, the type, the number of dimensions, each dimension as a big-endian
    32-bit number, then the data.

    Args:
        path: the file.
        dimensions: how many it must have: 3 for images, 1 for labels.

    Raises:
        BadInput: the file is broken or of another kind; the words say how.
    """
    data = _read(path)
    start = 4 + 4 * dimensions
    if len(data) < start or data[0] or data[1]:
        raise BadInput(f"{path.name} is no IDX file: its first bytes are not 00 00")
    if data[2] != UNSIGNED_BYTES or data[3] != dimensions:
        raise BadInput(
            f"{path.name} holds type {data[2]:#04x} in {data[3]} dimensions; "
            f"wanted are unsigned bytes (0x08) in {dimensions}"
        )
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4))
    if math.prod(shape) != len(data) - start:
        told = "x".join(map(str, shape))
        raise BadInput(f"{path.name} tells of {told} bytes but holds {len(data) - start}")
    if min(shape) == 0:
        raise BadInput(f"{path.name} is empty")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            data: bytes = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path.name} cannot be read: {error}") from error
    if len(data) > MAX_BYTES:
        raise BadInput(f"{path.name} is larger than {MAX_BYTES} bytes")
    return data
