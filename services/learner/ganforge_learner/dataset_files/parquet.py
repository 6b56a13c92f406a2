"""Parquet: a column of images, as files or as lists of numbers, and perhaps one of labels."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.pictures import look_at, read_picture
from ganforge_learner.dataset_files.source import (
    CHANNELS,
    Bytes,
    Classes,
    Outline,
    Source,
    Stamp,
    check,
    stamp_of,
)

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

IMAGES = ("image", "img", "images", "x", "pixels")
LABELS = ("label", "labels", "fine_label", "y", "target", "class")
BLOCK = 256


@dataclass(frozen=True)
class ParquetSource(Source):
    """Tables in Parquet files, one after the other.

    Attributes:
        files: the files, in order.
        image_column: one of ``IMAGES`` when None.
        label_column: one of ``LABELS`` when None, and none is needed.
        height: of a sample; the first picture's when None.
        width: of a sample.
        channels: 1 or 3; as the first picture has when None.
    """

    files: tuple[Path, ...]
    image_column: str | None = None
    label_column: str | None = None
    height: int | None = None
    width: int | None = None
    channels: int | None = None

    @property
    def is_slow(self) -> bool:
        """Every row holds a picture to unfold."""
        return True

    def stamp(self) -> Stamp:
        """Tell of every file."""
        return stamp_of(list(self.files), under=self.files[0].parent)

    def outline(self) -> Outline:
        """Read the labels, and look at the first picture."""
        tables = [_open(file) for file in self.files]
        rows = sum(table.metadata.num_rows for table in tables)
        if not rows:
            raise BadInput(f"{self.name} holds no images")
        images = self._column(tables[0], self.image_column, IMAGES)
        first = next(batch for table in tables for batch in _batches(table, images) if len(batch))
        labels, names = self._labels(tables)
        outline = Outline(self._shape(_cells(first, self.name)[0]), rows, labels, names)
        return check(outline, where=self.name)

    def blocks(self) -> Iterator[Bytes]:
        """Unfold the pictures, some at a time."""
        shape, row = self.outline().shape, 0
        tables = [_open(file) for file in self.files]
        images = self._column(tables[0], self.image_column, IMAGES)
        for table in tables:
            for batch in _batches(table, images):
                cells = _cells(batch, self.name)
                yield np.stack(
                    [
                        _as_sample(cell, f"{self.name}, row {row + i}", shape)
                        for i, cell in enumerate(cells)
                    ]
                )
                row += len(cells)

    def _column(
        self, table: "pyarrow.parquet.ParquetFile", wanted: str | None, usual: tuple[str, ...]
    ) -> str:
        held = table.schema_arrow.names
        names = [wanted] if wanted else list(usual)
        found = next((name for name in names if name in held), None)
        if found is None:
            raise BadInput(
                f"{self.name} has no column {' or '.join(names)}: it has {', '.join(held)}; name "
                "yours in a descriptor"
            )
        return found

    def _labels(
        self, tables: "list[pyarrow.parquet.ParquetFile]"
    ) -> tuple[Classes | None, tuple[str, ...]]:
        held = tables[0].schema_arrow.names
        if self.label_column is None and not set(LABELS) & set(held):
            return None, ()
        column = self._column(tables[0], self.label_column, LABELS)
        values = [
            value
            for table in tables
            for batch in _batches(table, column)
            for value in batch.to_pylist()
        ]
        if all(isinstance(value, str) for value in values):
            names = tuple(sorted(set(values)))
            numbers = {name: number for number, name in enumerate(names)}
            return np.array([numbers[value] for value in values], np.int64), names
        if not all(isinstance(value, int) for value in values):
            raise BadInput(f"{self.name}'s {column} holds values that are no class in every row")
        labels = np.array(values, np.int64)
        # Hugging Face writes -1 in the splits whose labels are kept secret.
        return (None if (labels == -1).all() else labels), ()

    def _shape(self, cell: Any) -> tuple[int, int, int]:
        if isinstance(cell, bytes):
            look = look_at(io.BytesIO(cell), f"{self.name}, row 0")
            shape = (1 if look.is_grey else 3, look.height, look.width)
        else:
            shape = _list_shape(np.asarray(cell), f"{self.name}, row 0")
        channels, height, width = shape
        return self.channels or channels, self.height or height, self.width or width


def _open(file: Path) -> "pyarrow.parquet.ParquetFile":
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise BadInput(
            f"{file.name} needs pyarrow to be read: pip install 'ganforge[data]'"
        ) from error
    try:
        return pyarrow.parquet.ParquetFile(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{file.name} cannot be read: {error}") from error


def _batches(table: "pyarrow.parquet.ParquetFile", column: str) -> "Iterator[pyarrow.Array]":
    import pyarrow

    try:
        for batch in table.iter_batches(BLOCK, columns=[column]):
            yield batch.column(0)
    except (pyarrow.ArrowException, OSError) as error:
        raise BadInput(f"{column} cannot be read: {error}") from error


def _cells(batch: "pyarrow.Array", name: str) -> list[Any]:
    """Give a batch's cells: a picture's bytes, or nested lists of numbers."""
    cells = batch.to_pylist()
    # Hugging Face's images are structs of the file's bytes and its path.
    cells = [cell.get("bytes") if isinstance(cell, dict) else cell for cell in cells]
    if any(cell is None for cell in cells):
        raise BadInput(f"{name} has a row without an image")
    return cells


def _as_sample(cell: Any, name: str, shape: tuple[int, int, int]) -> Bytes:
    if isinstance(cell, bytes):
        return read_picture(io.BytesIO(cell), name, shape)
    return _as_array(cell, name, shape)


def _as_array(cell: Any, name: str, shape: tuple[int, int, int]) -> Bytes:
    try:
        pixels = np.asarray(cell)
        if pixels.min() < 0 or pixels.max() > 255 or not np.issubdtype(pixels.dtype, np.integer):
            raise BadInput(f"{name} holds values that are no bytes")
        if _list_shape(pixels, name) != shape:
            raise BadInput(f"{name} has another shape than row 0, or than its descriptor says")
    except (ValueError, TypeError) as error:
        raise BadInput(f"{name} is no image: {error}") from error
    if pixels.ndim == 3 and pixels.shape[0] not in CHANNELS:
        pixels = pixels.transpose(2, 0, 1)
    return pixels.astype(np.uint8).reshape(shape)


def _list_shape(pixels: "np.ndarray[Any, Any]", name: str) -> tuple[int, int, int]:
    match pixels.shape:
        case (height, width):
            return 1, height, width
        case (channels, height, width) if channels in CHANNELS:
            return channels, height, width
        case (height, width, channels):
            return channels, height, width
        case (count,) if (side := round(count**0.5)) ** 2 == count:
            return 1, side, side
    raise BadInput(f"{name} is no image: it has {pixels.ndim} dimensions")


def find_parquet(name: str, folder: Path) -> ParquetSource | None:
    """Find a folder's Parquet files, those of ``train-`` preferred; None when there are none."""
    files = sorted(folder.glob("train-*.parquet")) or sorted(folder.glob("*.parquet"))
    return ParquetSource(name, tuple(files)) if files else None
