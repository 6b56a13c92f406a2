"""Pictures as tests want them, whole and broken."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Bytes = npt.NDArray[np.uint8]


def colours(count: int, height: int = 6, width: int = 5, *, channels: int = 3) -> Bytes:
    """Make images (N, C, H, W) of random bytes."""
    shape = (count, channels, height, width)
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def encoded(image_CHW: Bytes, kind: str = "PNG", **options: Any) -> bytes:
    """Give an image as a file's bytes; PNG keeps every pixel."""
    pixels = image_CHW[0] if len(image_CHW) == 1 else image_CHW.transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def put_picture(path: Path, image_CHW: Bytes) -> Path:
    """Write an image as PNG, or as JPEG when the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(image_CHW, "JPEG" if path.suffix != ".png" else "PNG"))
    return path


def claimed(width: int, height: int) -> bytes:
    """Make a PNG of few bytes that claims a size; its checksums are right."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")
