"""Pictures: PNG and JPEG, of any size, made into samples of one shape."""

from dataclasses import dataclass
from pathlib import Path
from struct import error as struct_error
from typing import IO
from zlib import error as zlib_error

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.source import Bytes

FORMATS = ("PNG", "JPEG")
SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_PIXELS = 1 << 26
"""What a picture may unfold to: a small file can claim any size."""

_GREY = ("1", "L", "LA", "La")
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    OverflowError,
    struct_error,
    zlib_error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True)
class Look:
    """What a picture's head tells of it."""

    height: int
    width: int
    is_grey: bool


def look_at(file: Path | IO[bytes], name: str) -> Look:
    """Read a picture's head.

    Raises:
        BadInput: it is no PNG or JPEG, or one too large.
    """
    try:
        with Image.open(file, formats=FORMATS) as picture:
            _check(picture, name)
            return Look(picture.height, picture.width, picture.mode in _GREY)
    except UnidentifiedImageError as error:  # whose words name the file as it lies here
        raise BadInput(f"{name} is no PNG or JPEG") from error
    except _BROKEN as error:
        raise BadInput(f"{name} is no PNG or JPEG: {error}") from error


def read_picture(file: Path | IO[bytes], name: str, shape: tuple[int, int, int]) -> Bytes:
    """Read a picture as a sample: turned upright, cropped around its centre, resized.

    Args:
        file: the file, or its bytes as a file.
        name: what to call it in errors.
        shape: what it is to become, (C, H, W).

    Raises:
        BadInput: it is no PNG or JPEG, is broken, or too large.
    """
    channels, height, width = shape
    try:
        with Image.open(file, formats=FORMATS) as picture:
            _check(picture, name)
            upright = ImageOps.exif_transpose(picture).convert("L" if channels == 1 else "RGB")
    except UnidentifiedImageError as error:
        raise BadInput(f"{name} cannot be read: it is no PNG or JPEG") from error
    except _BROKEN as error:
        raise BadInput(f"{name} cannot be read: {error}") from error
    return as_sample(fit(upright, height, width))


def fit(picture: Image.Image, height: int, width: int) -> Image.Image:
    """Scale a picture, its sides in proportion, and crop what stands over."""
    if picture.size == (width, height):
        return picture
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)


def as_sample(picture: Image.Image) -> Bytes:
    """Give a picture as uint8 (C, H, W)."""
    pixels = np.asarray(picture, np.uint8)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _check(picture: Image.Image, name: str) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise BadInput(f"{name} has {picture.width}x{picture.height} pixels: too many to unfold")
    if picture.mode in _DEEP:
        raise BadInput(f"{name} has more than 8 bits a pixel: save it with 8")
