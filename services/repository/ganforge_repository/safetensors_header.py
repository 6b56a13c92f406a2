"""The header of a safetensors file: believed only after every claim in it is checked.

The format's README and ``Metadata::validate`` in safetensors/src/tensor.rs say what a file is;
this is stricter wherever the library accepts files that two parsers could read differently
(Trail of Bits, TOB-SFTN-7: duplicate keys) or that a name or a size could do harm with.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from ganforge.errors import BadWeights

PREFIX_BYTES = 8
MAX_HEADER_BYTES = 1 << 20
MAX_METADATA_BYTES = 1 << 16
MAX_TENSORS = 65_536
MAX_NAME = 256
MAX_RANK = 8
MAX_DIMENSION = 1 << 40
MAX_DATA_BYTES = 1 << 62

ITEM_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""The element types taken, with their size in bytes."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: bytes ``begin`` to ``end`` of the data behind the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself; the tensors in the order of their bytes."""

    tensors: tuple[Tensor, ...]
    data_start: int

    @property
    def size_bytes(self) -> int:
        """How long the whole file has to be."""
        return self.data_start + self.tensors[-1].end


class HeaderReader:
    """Reads the header out of the first blocks of a file; keeps no more than the header."""

    def __init__(self) -> None:
        self._seen = bytearray()

    def feed(self, block: bytes | memoryview) -> Header | None:
        """Take the next bytes of the file and give the header once it is complete.

        Raises:
            BadWeights: the bytes so far cannot begin a file the repository takes.
        """
        self._seen += block[: PREFIX_BYTES + MAX_HEADER_BYTES - len(self._seen)]
        if len(self._seen) < PREFIX_BYTES:
            return None
        end = PREFIX_BYTES + header_length(bytes(self._seen[:PREFIX_BYTES]))
        if len(self._seen) < end:
            return None
        return parse(bytes(self._seen[PREFIX_BYTES:end]))


def header_length(prefix: bytes) -> int:
    """Read the length of the header, in bytes, from the first 8 bytes of a file.

    Raises:
        BadWeights: the length cannot be true.
    """
    length = int.from_bytes(prefix, "little")
    if length < 2:
        _refuse(f"the header says to be {length} bytes long; it takes 2 at least")
    if length > MAX_HEADER_BYTES:
        _refuse(f"the header says to be {length} bytes long; {MAX_HEADER_BYTES} at most are taken")
    if (PREFIX_BYTES + length) % 8:
        _refuse(f"the data is misaligned: it begins at byte {PREFIX_BYTES + length}, not at 8 k")
    return length


def parse(raw: bytes) -> Header:
    """Check every claim of a header.

    Args:
        raw: the header's bytes, without the 8 bytes of its length.

    Raises:
        BadWeights: the header is broken, hostile or says what the repository does not take.
    """
    entries = _load(raw)
    _check_metadata(entries.pop("__metadata__", {}))
    if not entries:
        _refuse("the file holds no tensors")
    if len(entries) > MAX_TENSORS:
        _refuse(f"the file holds {len(entries)} tensors; {MAX_TENSORS} at most are taken")
    tensors = [_tensor(name, entry) for name, entry in entries.items()]
    tensors.sort(key=lambda tensor: (tensor.begin, tensor.end))
    _check_cover(tensors)
    return Header(tuple(tensors), PREFIX_BYTES + len(raw))


def _load(raw: bytes) -> dict[str, Any]:
    if raw[:1] != b"{":
        _refuse("the header does not begin with '{'")
    if not raw.rstrip(b" ").endswith(b"}"):
        _refuse("the header ends in something other than '}' and spaces")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadWeights(f"the header is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        loaded = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadWeights("the header is nested too deeply") from None
    except ValueError as error:
        raise BadWeights(f"the header is not JSON: {error}") from None
    if not isinstance(loaded, dict):
        _refuse("the header is not a JSON object")
    return loaded


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        _refuse(f"the header has the key {_shown(twice)} twice")
    return found


def _refuse_constant(constant: str) -> NoReturn:
    _refuse(f"the header holds {constant}, which JSON does not know")


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict):
        _refuse("__metadata__ is not an object")
    size = 0
    for key, value in metadata.items():
        if not isinstance(value, str):
            _refuse(f"__metadata__ has something other than text at {_shown(key)}")
        size += len(key) + len(value)
    if size > MAX_METADATA_BYTES:
        _refuse(f"__metadata__ has {size} characters; {MAX_METADATA_BYTES} at most are taken")


def _tensor(name: str, entry: Any) -> Tensor:
    _check_name(name)
    if not isinstance(entry, dict):
        _refuse("is not an object", tensor=name)
    if extra := sorted(entry.keys() - {"dtype", "shape", "data_offsets"}):
        _refuse(f"has the unknown field {_shown(extra[0])}", tensor=name)
    if missing := sorted({"dtype", "shape", "data_offsets"} - entry.keys()):
        _refuse(f"has no {missing[0]}", tensor=name)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        _refuse(f"has the dtype {_shown(dtype)}; taken are {', '.join(ITEM_BYTES)}", tensor=name)
    size = _size_bytes(name, dtype, shape)
    if not _are_counts(offsets) or len(offsets) != 2:
        _refuse("has data_offsets that are not two whole numbers", tensor=name)
    begin, end = offsets
    if end - begin != size:
        _refuse(f"takes {size} bytes by its shape, but its offsets say {end - begin}", tensor=name)
    return Tensor(name, dtype, tuple(shape), begin, end)


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME:
        _refuse(f"a tensor's name has {len(name)} characters; 1 to {MAX_NAME} are taken")
    if not name.isprintable():
        _refuse(f"the tensor name {_shown(name)} has unprintable characters")
    if ".." in name.replace("\\", "/").split("/") or name.startswith(("/", "\\")):
        _refuse(f"the tensor name {_shown(name)} climbs through folders")


def _size_bytes(name: str, dtype: str, shape: Any) -> int:
    if not _are_counts(shape):
        _refuse("has a shape that is not a list of whole numbers", tensor=name)
    if len(shape) > MAX_RANK:
        _refuse(f"has {len(shape)} dimensions; {MAX_RANK} at most are taken", tensor=name)
    # Also beside a 0: a reader that multiplies in 64 bits overflows before it meets the 0.
    if any(dimension > MAX_DIMENSION for dimension in shape):
        _refuse("has a dimension beyond 2^40", tensor=name)
    if math.prod(filter(None, shape)) * ITEM_BYTES[dtype] > MAX_DATA_BYTES:
        _refuse("has a shape whose product overflows", tensor=name)
    return int(math.prod(shape)) * ITEM_BYTES[dtype]


def _are_counts(values: Any) -> bool:
    # type() and not isinstance(): to Python True is an int, to other readers it is none.
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check_cover(tensors: list[Tensor]) -> None:
    position = 0
    for tensor in tensors:
        if tensor.begin > position:
            _refuse(f"leaves a hole of {tensor.begin - position} bytes before it", tensor.name)
        if tensor.begin < position:
            _refuse(f"overlaps another by {position - tensor.begin} bytes", tensor.name)
        position = tensor.end


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refuse(why: str, tensor: str | None = None) -> NoReturn:
    if tensor is None:
        raise BadWeights(why)
    raise BadWeights(f"tensor {_shown(tensor)} {why}", tensor=tensor)
