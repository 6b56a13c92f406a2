import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganforge.errors import BadWeights
from ganforge_repository.checks import SafetensorsCheck
from tests.repository.files import file_of
from tests.repository.hostile import HOSTILE


def check(file: bytes, block_bytes: int) -> SafetensorsCheck:
    found = SafetensorsCheck()
    for begin in range(0, len(file), block_bytes):
        found.feed(file[begin : begin + block_bytes])
    found.finish()
    return found


@pytest.mark.parametrize("trick", HOSTILE)
@pytest.mark.parametrize("block_bytes", [1000, 1 << 20])
def test_a_hostile_file_is_refused_with_words_that_say_why(trick: str, block_bytes: int) -> None:
    file, words = HOSTILE[trick]

    with pytest.raises(BadWeights) as refusal:
        check(file, block_bytes)

    assert words in refusal.value.detail


def test_a_refusal_of_one_tensor_names_it() -> None:
    with pytest.raises(BadWeights) as refusal:
        check(HOSTILE["a_wrong_size"][0], 1 << 20)

    assert refusal.value.members == {"tensor": "w"}


@given(
    shapes=st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=6),
    dtype=st.sampled_from(["F32", "F64", "BF16", "F16", "I64", "U8", "I8", "BOOL"]),
    block_bytes=st.integers(1, 64),
)
def test_every_honest_file_is_taken_in_whatever_blocks_it_comes(
    shapes: list[list[int]], dtype: str, block_bytes: int
) -> None:
    sizes = {"F32": 4, "F64": 8, "BF16": 2, "F16": 2, "I64": 8, "U8": 1, "I8": 1, "BOOL": 1}
    header, end = {}, 0
    for number, shape in enumerate(shapes):
        begin, count = end, 1
        for dimension in shape:
            count *= dimension
        end = begin + count * sizes[dtype]
        header[f"t{number}"] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

    found = check(file_of(header, bytes(end)), block_bytes)

    assert found.header is not None
    assert {tensor.name: list(tensor.shape) for tensor in found.header.tensors} == {
        name: entry["shape"] for name, entry in header.items()
    }
    assert found.nonfinite_count == 0


@given(junk=st.binary(max_size=200))
def test_junk_is_refused_and_nothing_else_happens(junk: bytes) -> None:
    with pytest.raises(BadWeights):
        check(junk, 16)


@given(
    junk=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=10,
    )
)
def test_a_header_of_any_json_is_refused_and_nothing_else_happens(junk: object) -> None:
    with pytest.raises(BadWeights):
        check(file_of({"w": junk}), 1 << 20)


@pytest.mark.parametrize("block_bytes", [7, 1 << 20])
@pytest.mark.parametrize(
    ("dtype", "size", "nan", "infinity"),
    [
        ("BF16", 2, b"\xc0\x7f", b"\x80\xff"),
        ("F16", 2, b"\x00\x7e", b"\x00\xfc"),
        ("F32", 4, b"\x00\x00\xc0\x7f", b"\x00\x00\x80\xff"),
        ("F64", 8, b"\0\0\0\0\0\0\xf8\x7f", b"\0\0\0\0\0\0\xf0\xff"),
    ],
)
def test_nan_and_infinity_are_counted(
    dtype: str, size: int, nan: bytes, infinity: bytes, block_bytes: int
) -> None:
    header = {
        "a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
        "w": {"dtype": dtype, "shape": [4], "data_offsets": [3, 3 + 4 * size]},
    }

    found = check(file_of(header, b"\xff" * 3 + nan + bytes(size) + infinity * 2), block_bytes)

    assert found.nonfinite_count == 3


def test_metadata_of_text_is_taken() -> None:
    entry = {"dtype": "BOOL", "shape": [], "data_offsets": [0, 1]}

    found = check(
        file_of(json.loads(json.dumps({"__metadata__": {"a": "é"}, "w": entry})), b"\1"), 9
    )

    assert found.header is not None
    assert found.header.size_bytes % 8 == 1
