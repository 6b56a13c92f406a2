"""CIFAR-10's binary batches (Krizhevsky 2009): records of a label and a 3x32x32 image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.source import (
    Arrays,
    Bytes,
    Outline,
    Stamp,
    WholeSource,
    checked,
    stamp_of,
)

SHAPE = (3, 32, 32)
CLASSES = 10
RECORD = 1 + 3 * 32 * 32

_UNPACKED = "cifar-10-batches-bin"


@dataclass(frozen=True)
class CifarSource(WholeSource):
    """The batches of one split, one after the other."""

    files: tuple[Path, ...]

    def stamp(self) -> Stamp:
        """Tell of every batch."""
        return stamp_of(list(self.files), under=self.files[0].parent)

    def read(self) -> Arrays:
        """Read every batch."""
        records = np.concatenate([_read(file) for file in self.files])
        images = np.ascontiguousarray(records[:, 1:]).reshape(-1, *SHAPE)
        outline = Outline(SHAPE, len(images), records[:, 0].astype(np.int64))
        return checked(Arrays(outline, images), where=self.name)


def _read(file: Path) -> Bytes:
    """Read a batch as records (N, RECORD): the label, then red, green and blue, row by row."""
    try:
        data = np.fromfile(file, np.uint8)
    except OSError as error:
        raise BadInput(f"{file.name} cannot be read: {error.strerror}") from error
    if not len(data) or len(data) % RECORD:
        raise BadInput(
            f"{file.name} holds {len(data)} bytes: CIFAR-10's records have {RECORD} each"
        )
    records = data.reshape(-1, RECORD)
    if records[:, 0].max() >= CLASSES:
        raise BadInput(f"{file.name} has a label of {records[:, 0].max()}: CIFAR-10's go up to 9")
    return records


def find_cifar(name: str, folder: Path) -> CifarSource | None:
    """Find CIFAR-10's batches, also as they are unpacked; None when there are none."""
    for place in (folder, folder / _UNPACKED):
        files = sorted(place.glob("data_batch_*.bin")) or sorted(place.glob("test_batch.bin"))
        if files:
            return CifarSource(name, tuple(files))
    return None
