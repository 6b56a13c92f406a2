"""IDX files are read as published; what is broken or hostile is refused in words."""

import gzip
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.idx import read_idx
from tests.learner.idx_files import idx_bytes, images, labels

GOOD = idx_bytes(images(3))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_is_read_gzipped_or_not(tmp_path: Path, zipped: bool) -> None:
    # The name does not tell: people unpack files and keep their names.
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(GOOD) if zipped else GOOD)
    assert np.array_equal(read_idx(path, 3), images(3))
    path.write_bytes(gzip.compress(idx_bytes(labels(7))) if zipped else idx_bytes(labels(7)))
    assert np.array_equal(read_idx(path, 1), labels(7))


def header(*shape: int, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no IDX file"),
        (b"\x00\x00\x08", "is no IDX file"),
        (b"\x01" + GOOD[1:], "its first bytes are not 00 00"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "is no IDX file"),
        (idx_bytes(images(3), kind=0x0D), "holds type 0x0d in 3 dimensions"),
        (idx_bytes(labels(60)), "holds type 0x08 in 1 dimensions"),
        (GOOD[:-1], "tells of 3x4x5 bytes but holds 59"),
        (GOOD + b"x", "tells of 3x4x5 bytes but holds 61"),
        (header(2**32 - 1, 2**32 - 1, 2**32 - 1), "but holds 0"),
        (header(0, 28, 28), "is empty"),
        (header(5, 0, 28), "is empty"),
        (b"\x1f\x8b", "cannot be read"),
        (gzip.compress(GOOD)[:-9], "cannot be read"),
        (gzip.compress(GOOD)[:12] + b"\xff" * 30, "cannot be read"),
        (gzip.compress(GOOD)[:-8] + bytes(8), "cannot be read"),
        (gzip.compress(b""), "is no IDX file"),
    ],
    ids=lambda told: told if isinstance(told, str) else "bytes",
)
def test_a_broken_file_is_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_idx(path, 3)
    assert words in caught.value.detail
    assert path.name in caught.value.detail


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.integers(0, len(GOOD)),
    flips=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(1, 255)), max_size=3),
    zipped=st.booleans(),
)
def test_any_damage_is_refused_or_gives_an_array(
    tmp_path: Path, cut: int, flips: list[tuple[int, int]], zipped: bool
) -> None:
    content = bytearray(gzip.compress(GOOD) if zipped else GOOD)
    for at, bits in flips:
        content[at % len(content)] ^= bits
    path = tmp_path / "images"
    path.write_bytes(content[:cut] if cut < len(content) else content)
    with suppress(BadInput):
        assert read_idx(path, 3).size


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(BadInput, match="cannot be read"):
            read_idx(path, 3)
