"""Image folders: a sub-folder for each class, or all images in one."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.pictures import SUFFIXES, Look, look_at, read_picture
from ganforge_learner.dataset_files.source import Bytes, Outline, Source, Stamp, check, stamp_of

BLOCK = 256
THREADS = 8


@dataclass(frozen=True)
class ImageFolder(Source):
    """PNG and JPEG files.

    Attributes:
        folder: holds the files, or a sub-folder for each class, numbered by their names' order.
        height: of a sample; with ``width`` None, the commonest size is taken.
        width: of a sample.
        channels: 1 or 3; None: 1 when every picture is grey.
    """

    folder: Path
    height: int | None = None
    width: int | None = None
    channels: int | None = None

    @property
    def is_slow(self) -> bool:
        """Every picture is a file to unfold."""
        return True

    def stamp(self) -> Stamp:
        """Tell of every picture."""
        return stamp_of(self._files(), under=self.folder)

    def outline(self) -> Outline:
        """Look at every picture's head."""
        files = self._files()
        with ThreadPoolExecutor(THREADS) as pool:
            looks = list(pool.map(lambda file: look_at(file, self._call(file)), files))
        names, classes = self._classes(files)
        return check(Outline(self._shape(looks), len(files), classes, names), where=self.name)

    def blocks(self) -> Iterator[Bytes]:
        """Unfold the pictures, some at a time."""
        files, shape = self._files(), self.outline().shape
        with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
            for at in range(0, len(files), BLOCK):
                block = files[at : at + BLOCK]
                yield np.stack(
                    list(pool.map(lambda file: read_picture(file, self._call(file), shape), block))
                )

    def _files(self) -> list[Path]:
        files = find_pictures(self.folder)
        if not files:
            raise BadInput(f"{self.name} holds no images")
        return files

    def _call(self, file: Path) -> str:
        return f"{self.name}/{file.relative_to(self.folder).as_posix()}"

    def _classes(self, files: list[Path]) -> tuple[tuple[str, ...], np.ndarray | None]:
        loose = [file for file in files if file.parent == self.folder]
        if len(loose) == len(files):
            return (), None
        if loose:
            raise BadInput(
                f"{self.name} has {self._call(loose[0])} beside its classes' folders: move it into "
                "one of them"
            )
        names = tuple(sorted({file.parent.name for file in files}))
        numbers = {name: number for number, name in enumerate(names)}
        return names, np.array([numbers[file.parent.name] for file in files], np.int64)

    def _shape(self, looks: list[Look]) -> tuple[int, int, int]:
        channels = self.channels or (1 if all(look.is_grey for look in looks) else 3)
        if self.height and self.width:
            return channels, self.height, self.width
        sizes = Counter((look.height, look.width) for look in looks)
        height, width = min(sizes, key=lambda size: (-sizes[size], size))
        return channels, height, width


def find_pictures(folder: Path) -> list[Path]:
    """Find the pictures in a folder and its sub-folders, in the order of their names.

    Raises:
        BadInput: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            here = sorted(entries, key=lambda entry: entry.name)
        found = [Path(entry.path) for entry in here if _is_picture(entry)]
        for entry in here:
            if entry.is_dir() and not entry.name.startswith("."):
                with os.scandir(entry.path) as entries:
                    found += sorted(Path(inner.path) for inner in entries if _is_picture(inner))
    except OSError as error:
        raise BadInput(f"{folder.name} cannot be read: {error.strerror}") from error
    return found


def _is_picture(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")


def find_image_folder(name: str, folder: Path) -> ImageFolder | None:
    """Find pictures in a folder, or in its sub-folder ``train``; None when there are none."""
    for place in (folder / "train", folder):
        if place.is_dir() and find_pictures(place):
            return ImageFolder(name, place)
    return None
