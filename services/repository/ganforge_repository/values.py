"""The values of a safetensors file, looked at as they stream by."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ganforge.errors import BadWeights
from ganforge_repository.safetensors_header import ITEM_BYTES, Header, Tensor

_STORED = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "u1",
}

Array = npt.NDArray[Any]


def stored(data: bytes | memoryview, dtype: str) -> Array:
    """View ``data`` as elements of ``dtype``; BF16 as its 16 bits, BOOL as its byte."""
    return np.frombuffer(data, dtype=_STORED[dtype])


def as_float64(elements: Array, dtype: str) -> npt.NDArray[np.float64]:
    """Turn stored elements into the numbers they stand for."""
    if dtype == "BF16":
        # bfloat16 is the upper half of a float32.
        return (elements.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return elements.astype(np.float64)


class ValueCheck:
    """Counts NaN and infinities, and refuses truth values that are neither 0 nor 1.

    Args:
        header: says where the tensors are.
    """

    def __init__(self, header: Header) -> None:
        self.nonfinite_count = 0
        self._tensors = iter(header.tensors)
        self._tensor: Tensor | None = next(self._tensors)
        self._position = 0
        self._split = b""

    def feed(self, block: memoryview) -> None:
        """Take the next bytes behind the header; an element may be split between two blocks.

        Raises:
            BadWeights: a BOOL is neither 0 nor 1.
        """
        stop = self._position + len(block)
        while self._tensor is not None and self._tensor.begin <= stop:
            begin = max(self._tensor.begin, self._position)
            end = min(self._tensor.end, stop)
            self._take(self._tensor, block[begin - self._position : end - self._position])
            if end < self._tensor.end:
                break
            self._tensor = next(self._tensors, None)
        self._position = stop

    def _take(self, tensor: Tensor, part: memoryview) -> None:
        data = self._split + part if self._split else part
        whole = len(data) - len(data) % ITEM_BYTES[tensor.dtype]
        self._split = bytes(data[whole:])
        elements = stored(data[:whole], tensor.dtype)
        if tensor.dtype == "BOOL" and bool((elements > np.uint8(1)).any()):
            raise BadWeights(
                f'tensor "{tensor.name}" has a BOOL that is neither 0 nor 1', tensor=tensor.name
            )
        self.nonfinite_count += _nonfinite(elements, tensor.dtype)


def _nonfinite(elements: Array, dtype: str) -> int:
    if dtype == "BF16":
        return int(np.count_nonzero((elements & np.uint16(0x7F80)) == 0x7F80))
    if dtype in ("F64", "F32", "F16"):
        return int(elements.size - np.count_nonzero(np.isfinite(elements)))
    return 0
