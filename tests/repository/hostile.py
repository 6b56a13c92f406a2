"""Files the repository refuses, each with words its refusal has to hold."""

import json
from typing import Any

from tests.repository.files import file_of, padded, raw_file


def _tensor(
    dtype: str = "F32", shape: Any = (1,), begin: Any = 0, end: Any = 4, **extra: Any
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **extra}


_FOUR = bytes(4)
_GOOD = json.dumps({"w": _tensor()})

HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "ends after 0 bytes"),
    "half_a_length": (b"\x08\0\0", "ends after 3 bytes, within its header"),
    "half_a_header": (raw_file(padded(_GOOD))[:20], "within its header"),
    "a_pickle": (b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94.", "at most are taken"),
    "a_length_of_zero": (raw_file(b""), "0 bytes long"),
    "a_length_of_all_ones": (b"\xff" * 16, "18446744073709551615 bytes long"),
    "a_header_of_100_mb": ((100_000_000).to_bytes(8, "little") + b"{", "1048576 at most"),
    "misaligned_data": (raw_file((_GOOD + " " * (1 - len(_GOOD) % 8)).encode(), _FOUR), "misali"),
    "a_leading_space": (raw_file(padded(" " + _GOOD), _FOUR), "does not begin with '{'"),
    "a_byte_order_mark": (raw_file(padded("\ufeff" + _GOOD), _FOUR), "does not begin with '{'"),
    "nul_padding": (
        raw_file(_GOOD.encode() + b"\0" * (-len(_GOOD) % 8 or 8), _FOUR),
        "other than '}' and spaces",
    ),
    "newline_padding": (
        raw_file(_GOOD.encode() + b"\n" * (-len(_GOOD) % 8 or 8), _FOUR),
        "other than '}' and spaces",
    ),
    "two_documents": (raw_file(padded("{}{}")), "not JSON"),
    "broken_utf8": (raw_file(b'{"\xff\xff": }    '.ljust(16)), "not UTF-8"),
    "broken_json": (raw_file(padded('{"w": [}')), "not JSON"),
    "an_infinity": (raw_file(padded('{"w": Infinity}')), "Infinity"),
    "a_number_of_5000_digits": (raw_file(padded('{"w": ' + "9" * 5000 + "}")), "not JSON"),
    "deep_nesting": (raw_file(padded('{"w":' + "[" * 100_000 + "]" * 100_000 + "}")), "nested"),
    "no_tensors": (raw_file(padded("{}")), "no tensors"),
    "metadata_alone": (file_of({"__metadata__": {"a": "b"}}), "no tensors"),
    "a_tensor_twice": (
        raw_file(
            padded(
                f'{{"w": {json.dumps(_tensor())}, "w": {json.dumps(_tensor("I32"))}}}',
            ),
            _FOUR,
        ),
        'the key "w" twice',
    ),
    "metadata_twice": (
        raw_file(padded(_GOOD[:-1] + ', "__metadata__": {"a": "b", "a": "c"}}'), _FOUR),
        'the key "a" twice',
    ),
    "a_field_twice": (
        raw_file(
            padded('{"w":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}'), _FOUR
        ),
        'the key "dtype" twice',
    ),
    "metadata_of_numbers": (
        file_of({"__metadata__": {"a": 1}, "w": _tensor()}, _FOUR),
        "other than text",
    ),
    "metadata_as_a_list": (file_of({"__metadata__": [], "w": _tensor()}, _FOUR), "not an object"),
    "metadata_of_100_kb": (
        file_of({"__metadata__": {"a": "x" * 100_000}, "w": _tensor()}, _FOUR),
        "65536 at most",
    ),
    "an_extra_field": (file_of({"w": _tensor(secret="x")}, _FOUR), "the unknown field"),
    "a_missing_field": (file_of({"w": {"dtype": "F32", "shape": [1]}}, _FOUR), "no data_offsets"),
    "a_tensor_that_is_a_list": (file_of({"w": []}), "is not an object"),
    "an_unknown_dtype": (file_of({"w": _tensor("F8_E4M3", [4])}, _FOUR), "has the dtype"),
    "a_dtype_that_is_a_list": (file_of({"w": _tensor(["F32"])}, _FOUR), "has the dtype"),  # type: ignore[arg-type]
    "an_empty_name": (file_of({"": _tensor()}, _FOUR), "0 characters"),
    "a_name_of_a_megabyte": (file_of({"w" * 1_000_000: _tensor()}, _FOUR), "1000000 characters"),
    "a_name_with_nul": (file_of({"w\0": _tensor()}, _FOUR), "unprintable"),
    "a_name_with_a_lone_surrogate": (
        raw_file(padded(_GOOD.replace('"w"', '"\\ud800"')), _FOUR),
        "unprintable",
    ),
    "a_name_that_climbs": (file_of({"a/../../etc/passwd": _tensor()}, _FOUR), "climbs"),
    "a_name_that_climbs_on_windows": (file_of({"..\\w": _tensor()}, _FOUR), "climbs"),
    "an_absolute_name": (file_of({"/etc/passwd": _tensor()}, _FOUR), "climbs"),
    "a_negative_dimension": (file_of({"w": _tensor(shape=[-1])}, _FOUR), "whole numbers"),
    "a_dimension_of_true": (file_of({"w": _tensor(shape=[True])}, _FOUR), "whole numbers"),
    "a_fractional_dimension": (file_of({"w": _tensor(shape=[1.0])}, _FOUR), "whole numbers"),
    "a_shape_that_is_text": (file_of({"w": _tensor(shape="1")}, _FOUR), "whole numbers"),
    "nine_dimensions": (file_of({"w": _tensor(shape=[1] * 9)}, _FOUR), "9 dimensions"),
    "a_huge_dimension_beside_a_zero": (
        file_of({"w": _tensor(shape=[0, 2**62], end=0)}),
        "beyond 2^40",
    ),
    "an_overflow_beside_a_zero": (
        file_of({"w": _tensor(shape=[0, 2**40, 2**40], end=0)}),
        "overflows",
    ),
    "an_overflow": (file_of({"w": _tensor(shape=[2**32, 2**30])}, _FOUR), "overflows"),
    "three_offsets": (file_of({"w": _tensor() | {"data_offsets": [0, 4, 4]}}, _FOUR), "not two"),
    "a_negative_offset": (file_of({"w": _tensor(begin=-4, end=0)}, _FOUR), "not two whole numbers"),
    "backward_offsets": (file_of({"w": _tensor(begin=4, end=0)}, _FOUR), "offsets say -4"),
    "a_wrong_size": (file_of({"w": _tensor(shape=[2])}, _FOUR), "takes 8 bytes by its shape"),
    "a_hole": (
        file_of({"a": _tensor(), "b": _tensor(begin=8, end=12)}, bytes(12)),
        "a hole of 4 bytes",
    ),
    "a_hole_at_the_start": (file_of({"a": _tensor(begin=4, end=8)}, bytes(8)), "a hole of 4"),
    "an_overlap": (
        file_of({"a": _tensor(), "b": _tensor(begin=2, end=6)}, bytes(6)),
        "overlaps another by 2 bytes",
    ),
    "the_same_bytes_twice": (file_of({"a": _tensor(), "b": _tensor()}, _FOUR), "overlaps"),
    "a_trailing_byte": (file_of({"w": _tensor()}, bytes(5)), "behind its last tensor"),
    "a_missing_byte": (file_of({"w": _tensor()}, bytes(3)), "its tensors take"),
    "a_bool_of_seven": (file_of({"w": _tensor("BOOL", [4])}, b"\0\1\7\0"), "neither 0 nor 1"),
}
"""Name of the trick -> (file, words of the refusal)."""
