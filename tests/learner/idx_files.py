"""IDX files as tests want them, good and broken."""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


def idx_bytes(array: Bytes, *, kind: int = 0x08) -> bytes:
    """Write an array as the format's page says."""
    head = bytes([0, 0, kind, array.ndim])
    return head + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def images(count: int, height: int = 4, width: int = 5) -> Bytes:
    """Make images of which no two pixels in a row are alike."""
    size = count * height * width
    return (np.arange(size) * 7 % 256).astype(np.uint8).reshape(count, height, width)


def labels(count: int) -> Bytes:
    return (np.arange(count) % 10).astype(np.uint8)


def put_dataset(
    data: Path, name: str, *, count: int = 12, split: str = "train", zipped: bool = False
) -> Path:
    """Put a dataset's files into the data folder; gives the dataset's folder."""
    folder = data / "datasets" / name
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (("images-idx3", images(count)), ("labels-idx1", labels(count))):
        content = idx_bytes(array)
        path = folder / f"{split}-{kind}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(content) if zipped else content)
    return folder
