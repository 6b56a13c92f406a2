"""Adapters: a dataset made of another one, with DIANNE's options."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ganforge.errors import BadInput
from ganforge_learner.dataset_files import conversion
from ganforge_learner.dataset_files.pictures import as_sample, fit
from ganforge_learner.dataset_files.source import Bytes, Classes, Outline, Source, Stamp, check

BLOCK = 1024

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Adapter(Source):
    """Another dataset's samples: some of them, in another form. The steps are done in this order.

    Attributes:
        of: the other dataset.
        folder: the data folder, where conversions are kept.
        range_: DIANNE's ``range``: the first sample and an end that is left out, or the samples.
        labels: the classes to keep, by number or name, which become 0, 1, 2, ...
        other: keep the samples of all other classes too, as one more class.
        frame: (H, W) or (C, H, W): scaled with its sides in proportion, then cropped.
        pad: empty pixels to add on every side.
        binarize: pixels above this share of the highest become full, all others empty.
    """

    of: Source
    folder: Path
    range_: tuple[int, ...] = ()
    labels: tuple[int | str, ...] = ()
    other: bool = False
    frame: tuple[int, ...] = ()
    pad: int = 0
    binarize: float | None = None

    @property
    def is_slow(self) -> bool:
        """Resizing takes its time, and so does whatever the other dataset's reading takes."""
        return bool(self.frame) or self.of.is_slow

    def stamp(self) -> Stamp:
        """Tell of the other dataset's files."""
        return self.of.stamp()

    def outline(self) -> Outline:
        """Tell what the adapted dataset is like."""
        base = self.of.outline()
        places, classes = self._choose(base)
        names = self._names(base)
        shape = self._shape(base.shape)
        outline = Outline(shape, len(places), classes, names, base.highest)
        return check(outline, where=self.name)

    def blocks(self) -> Iterator[Bytes]:
        """Adapt the images, some at a time."""
        base = conversion.read(self.of, self.folder)
        places, _ = self._choose(base.outline)
        for at in range(0, len(places), BLOCK):
            yield self._adapt(base.images[places[at : at + BLOCK]], base.outline)

    def _choose(self, base: Outline) -> tuple[Places, Classes | None]:
        """Find the places of the samples that are kept, and their classes."""
        places = self._in_range(base.size)
        if not self.labels:
            return places, None if base.classes is None else base.classes[places]
        if base.classes is None:
            raise BadInput(f"{self.name}: {self.of.name} has no classes to choose labels from")
        became = np.full(int(base.class_count or 0), len(self.labels) if self.other else -1)
        for number, label in enumerate(self.labels):
            became[self._number(label, base)] = number
        classes = became[base.classes[places]]
        return places[classes >= 0], classes[classes >= 0]

    def _in_range(self, size: int) -> Places:
        """Find the places that DIANNE's range means: an end, a start and an end, or places."""
        match self.range_:
            case ():
                places = np.arange(size)
            case (end,):
                places = np.arange(end)
            case (start, end):
                places = np.arange(start, end)
            case _:
                places = np.array(self.range_)
        if not len(places):
            raise BadInput(f"{self.name}: its range is empty: the end is left out")
        if places.max() >= size:
            raise BadInput(f"{self.name}: its range goes past the last of {size} samples")
        return places

    def _number(self, label: int | str, base: Outline) -> int:
        if isinstance(label, str) and label in base.class_names:
            return base.class_names.index(label)
        number = int(label) if str(label).isdecimal() else -1
        if not 0 <= number < (base.class_count or 0):
            known = ", ".join(base.class_names) or f"0 to {(base.class_count or 0) - 1}"
            raise BadInput(f"{self.name}: {self.of.name} has no class {label!r}; it has {known}")
        return number

    def _names(self, base: Outline) -> tuple[str, ...]:
        if not self.labels or not base.class_names:
            return base.class_names
        kept = tuple(base.class_names[self._number(label, base)] for label in self.labels)
        return (*kept, "other") if self.other else kept

    def _shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        channels, height, width = shape
        match self.frame:
            case (height, width):
                pass
            case (channels, height, width):
                pass
        return channels, height + 2 * self.pad, width + 2 * self.pad

    def _adapt(self, images: Bytes, base: Outline) -> Bytes:
        if self.frame:
            framed = (base.shape[0], *self.frame)[-3:]
            images = np.stack([_frame(image, framed) for image in images])
        if self.pad:
            sides = (self.pad, self.pad)
            images = np.pad(images, ((0, 0), (0, 0), sides, sides))
        if self.binarize is not None:
            is_full = images > self.binarize * base.highest
            images = np.where(is_full, base.highest, 0).astype(np.uint8)
        return images


def _frame(image: Bytes, shape: tuple[int, ...]) -> Bytes:
    """Scale and crop an image (C, H, W), and make it grey or coloured."""
    channels, height, width = shape
    picture = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    return as_sample(fit(picture.convert("L" if channels == 1 else "RGB"), height, width))
