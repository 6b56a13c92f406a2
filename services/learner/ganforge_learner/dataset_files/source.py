"""A source: where a dataset's images come from; no torch.

Shapes: N samples, C channels, H height, W width.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ganforge.errors import BadInput

Bytes = npt.NDArray[np.uint8]
Classes = npt.NDArray[np.int64]

Stamp = tuple[tuple[str, int, int], ...]
"""Name, bytes and mtime in ns of every file of a source: another stamp, another content."""

CHANNELS = (1, 3)
MAX_SIDE = 1024
MAX_CLASSES = 100_000


@dataclass(frozen=True, eq=False)
class Outline:
    """What a dataset is like, beside its images.

    Attributes:
        shape: one sample's, (C, H, W).
        size: how many samples there are.
        classes: int64 (N), or None when the samples have none.
        class_names: by number; none when the source names none.
        highest: the value of a full pixel; 0 stands for none.
    """

    shape: tuple[int, int, int]
    size: int
    classes: Classes | None
    class_names: tuple[str, ...] = ()
    highest: int = 255

    @property
    def class_count(self) -> int | None:
        """How many classes there are; None when the samples have none."""
        if self.classes is None:
            return None
        return len(self.class_names) or int(self.classes.max()) + 1


@dataclass(frozen=True, eq=False)
class Arrays:
    """A dataset read: its outline, and its images as uint8 (N, C, H, W)."""

    outline: Outline
    images: Bytes


@dataclass(frozen=True)
class Source(ABC):
    """Where a dataset comes from: equal when it is the same place, read in the same way."""

    name: str

    @property
    def is_slow(self) -> bool:
        """Whether reading takes so long that it pays to keep what was read."""
        return False

    @abstractmethod
    def stamp(self) -> Stamp:
        """Tell of the files as they are now, without reading them."""

    @abstractmethod
    def outline(self) -> Outline:
        """Tell what the dataset is like.

        Raises:
            BadInput: it is broken; the words name the file.
        """

    @abstractmethod
    def blocks(self) -> Iterator[Bytes]:
        """Give the images in order, some at a time: uint8 (n, C, H, W).

        Raises:
            BadInput: it is broken; the words name the file.
        """

    def read(self) -> Arrays:
        """Read everything into memory.

        Raises:
            BadInput: it is broken; the words name the file.
        """
        outline = self.outline()
        images = np.empty((outline.size, *outline.shape), np.uint8)
        fill(images, self)
        return Arrays(outline, images)


class WholeSource(Source):
    """A source that is read in one go, and quickly."""

    @abstractmethod
    def read(self) -> Arrays:
        """Read everything into memory."""

    def outline(self) -> Outline:
        """Tell what the dataset is like; reads it whole, so that nothing broken is announced."""
        return self.read().outline

    def blocks(self) -> Iterator[Bytes]:
        """Give all images at once."""
        yield self.read().images


def fill(images: Bytes, source: Source) -> None:
    """Write a source's images into an array made for them.

    Raises:
        BadInput: the source is broken, or gives another number of images than it told.
    """
    at = 0
    for block in source.blocks():
        if at + len(block) > len(images):
            break
        images[at : at + len(block)] = block
        at += len(block)
    else:
        if at == len(images):
            return
    raise BadInput(f"{source.name}'s files changed while they were read: try again")


def checked(arrays: Arrays, *, where: str) -> Arrays:
    """Give the arrays back when they are what a dataset may hold.

    Raises:
        BadInput: there are no images, or not as many classes, or of an odd shape.
    """
    check(arrays.outline, where=where)
    if arrays.images.shape != (arrays.outline.size, *arrays.outline.shape):
        raise BadInput(f"{where} holds images of other shapes than it tells")
    return arrays


def check(outline: Outline, *, where: str) -> Outline:
    """Give the outline back when it is one a dataset may have.

    Raises:
        BadInput: there are no images, or not as many classes, or of an odd shape.
    """
    channels, height, width = outline.shape
    if not outline.size or not height or not width:
        raise BadInput(f"{where} holds no images")
    if channels not in CHANNELS:
        raise BadInput(f"{where} holds images of {channels} channels: take 1 (grey) or 3 (colour)")
    if max(height, width) > MAX_SIDE:
        raise BadInput(
            f"{where} holds images of {height}x{width}: up to {MAX_SIDE} a side are taken, so give "
            "a size in a descriptor"
        )
    if outline.classes is not None:
        _check_classes(outline.classes, outline.size, where)
    return outline


def _check_classes(classes: Classes, size: int, where: str) -> None:
    if len(classes) != size:
        raise BadInput(f"{where}: {size} images but {len(classes)} labels")
    if classes.min() < 0 or classes.max() >= MAX_CLASSES:
        raise BadInput(
            f"{where} has labels from {classes.min()} to {classes.max()}: number classes from 0, "
            f"up to {MAX_CLASSES - 1}"
        )


def stamp_of(files: list[Path], *, under: Path) -> Stamp:
    """Tell of files as they are now.

    Raises:
        BadInput: one is gone.
    """
    told = []
    for file in files:
        try:
            status = file.stat()
        except OSError as error:
            raise BadInput(f"{file.name} cannot be read: {error.strerror}") from error
        told.append((file.relative_to(under).as_posix(), status.st_size, status.st_mtime_ns))
    return tuple(told)
