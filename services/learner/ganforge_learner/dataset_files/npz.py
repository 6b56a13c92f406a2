"""numpy's .npz: an array of images, and perhaps one of labels; never a pickle."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.source import (
    CHANNELS,
    Arrays,
    Bytes,
    Classes,
    Outline,
    Stamp,
    WholeSource,
    checked,
    stamp_of,
)

IMAGES = ("images", "x", "inputs", "x_train", "train_images", "data", "arr_0")
LABELS = ("labels", "y", "targets", "y_train", "train_labels", "classes", "arr_1")
MAX_BYTES = 1 << 33
SLOW_BYTES = 1 << 24

_BROKEN = (OSError, EOFError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile)


@dataclass(frozen=True)
class NpzSource(WholeSource):
    """Images (N, H, W), (N, H, W, C) or (N, C, H, W), as uint8 or as floats of a stated range.

    Attributes:
        path: the file.
        images: the array of images; one of ``IMAGES`` when None.
        labels: the array of labels; one of ``LABELS`` when None, and none is needed.
        value_range: what floats stand for black and white; needed when there are floats.
    """

    path: Path
    images: str | None = None
    labels: str | None = None
    value_range: tuple[float, float] | None = None

    @property
    def is_slow(self) -> bool:
        """Inflating much, or scaling floats, takes its time."""
        return self.path.stat().st_size > SLOW_BYTES

    def stamp(self) -> Stamp:
        """Tell of the file."""
        return stamp_of([self.path], under=self.path.parent)

    def read(self) -> Arrays:
        """Read the arrays."""
        images = _as_images(self._load(self.images, IMAGES), self)
        labels = self._load(self.labels, LABELS, needed=self.labels is not None)
        outline = Outline(_shape(images), len(images), _as_classes(labels, self.path.name))
        return checked(Arrays(outline, images), where=self.path.name)

    def _load(self, wanted: str | None, usual: tuple[str, ...], *, needed: bool = True) -> Any:
        """Load an array by name; None when there is none and none is needed."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                there = {info.filename: info for info in archive.infolist()}
                names = [wanted] if wanted else list(usual)
                found = next((name for name in names if f"{name}.npy" in there), None)
                if found is None:
                    if not needed:
                        return None
                    held = ", ".join(name.removesuffix(".npy") for name in there) or "nothing"
                    raise BadInput(
                        f"{self.path.name} has no array called {' or '.join(names)}: it holds "
                        f"{held}; name yours in a descriptor"
                    )
                info = there[f"{found}.npy"]
                if info.file_size > MAX_BYTES:
                    raise BadInput(f"{self.path.name}: {found} unfolds to more than 8 GiB")
                with archive.open(info) as file:
                    return _read_array(file, f"{self.path.name}: {found}", info.file_size)
        except _BROKEN as error:
            raise BadInput(f"{self.path.name} cannot be read: {error}") from error


def _read_array(file: IO[bytes], name: str, size: int) -> npt.NDArray[Any]:
    """Read an array whose head does not claim more than the archive's entry holds."""
    shape, fortran, dtype = _read_head(file)
    if dtype.hasobject:
        raise BadInput(f"{name} holds Python objects: save numbers")
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if count * dtype.itemsize > size:
        raise BadInput(f"{name} tells of {count} numbers but holds {size} bytes")
    data = file.read(count * dtype.itemsize)
    array = np.frombuffer(data, dtype, count=count)
    return array.reshape(shape, order="F" if fortran else "C")


def _read_head(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _as_images(array: npt.NDArray[Any], source: NpzSource) -> Bytes:
    """Give images as uint8 (N, C, H, W)."""
    where = source.path.name
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim != 4:
        raise BadInput(f"{where} holds images in {array.ndim} dimensions: take 3 or 4")
    elif array.shape[1] not in CHANNELS and array.shape[3] in CHANNELS:
        array = array.transpose(0, 3, 1, 2)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise BadInput(f"{where} holds images of {array.dtype}: take uint8, or floats")
    return _quantised(array, source.value_range, where)


def _quantised(
    array: npt.NDArray[Any], value_range: tuple[float, float] | None, where: str
) -> Bytes:
    """Round floats to 256 levels."""
    if value_range is None:
        raise BadInput(f"{where} holds floats: say their range in a descriptor, as valueRange")
    low, high = value_range
    if not array.size:
        raise BadInput(f"{where} holds no images")
    if not (low <= array.min() and array.max() <= high):  # false for NaN as well
        raise BadInput(f"{where} holds values that are not from {low:g} to {high:g}, as valueRange")
    levels: Bytes = np.rint((array - low) * (255.0 / (high - low))).astype(np.uint8)
    return np.ascontiguousarray(levels)


def _as_classes(array: npt.NDArray[Any] | None, where: str) -> Classes | None:
    """Give labels as int64 (N); a column of them will do."""
    if array is None:
        return None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise BadInput(
            f"{where} holds labels of {array.dtype} in {array.ndim} dimensions: number "
            "the classes from 0, in one"
        )
    return array.astype(np.int64)


def _shape(images: Bytes) -> tuple[int, int, int]:
    _, channels, height, width = images.shape
    return channels, height, width


def find_npz(name: str, folder: Path) -> NpzSource | None:
    """Find a folder's .npz; None when there is none.

    Raises:
        BadInput: there are several.
    """
    files = sorted(folder.glob("*.npz"))
    if len(files) > 1:
        raise BadInput(f"{name} holds several .npz files: say which one in a descriptor")
    return NpzSource(name, files[0]) if files else None
