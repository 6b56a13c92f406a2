"""The difference of two versions: tensor by tensor, in blocks."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import Row

from ganforge.wire.weights import Diff, TensorDiff
from ganforge_repository.blob_store import CHUNK_BYTES, BlobStore
from ganforge_repository.safetensors_header import ITEM_BYTES
from ganforge_repository.values import as_float64, stored


def between(store: BlobStore, a: Row[Any], b: Row[Any]) -> Diff:
    """Compare two versions of one network; memory holds one block of each.

    Args:
        store: where the bytes are.
        a: the older version, joined with its blob.
        b: the newer one.
    """
    tensors_b = {tensor["name"]: tensor for tensor in b.tensors}
    is_same = a.digest == b.digest
    return Diff(
        network=a.network,
        tag=a.tag,
        a=a.version,
        b=b.version,
        identical=is_same,
        tensors=[
            _tensor_diff(_Part(store, a, tensor), _Part(store, b, tensors_b[tensor["name"]]))
            for tensor in a.tensors
        ],
    )


class _Part:
    """The bytes of one tensor within its file."""

    def __init__(self, store: BlobStore, row: Row[Any], tensor: dict[str, Any]) -> None:
        self.name: str = tensor["name"]
        self.dtype: str = tensor["dtype"]
        self.size: int = tensor["end"] - tensor["begin"]
        self._begin: int = row.data_start + tensor["begin"]
        self._row = row
        self._store = store

    def blocks(self) -> Iterator[bytes]:
        """Give the bytes in blocks that begin and end at elements: 1 MiB, the last one shorter."""
        for begin in range(0, self.size, CHUNK_BYTES):
            end = min(begin + CHUNK_BYTES, self.size)
            pieces = self._store.read(self._row.content, self._begin + begin, self._begin + end)
            yield b"".join(pieces)


def _tensor_diff(a: _Part, b: _Part) -> TensorDiff:
    elements = a.size // ITEM_BYTES[a.dtype]
    changed = 0
    squares, dots, a_squares, b_squares = 0.0, 0.0, 0.0, 0.0
    # NaN and infinities go through the sums to the end, where they become null.
    with np.errstate(all="ignore"):
        for block_a, block_b in zip(a.blocks(), b.blocks(), strict=True):
            bits_a, bits_b = stored(block_a, a.dtype), stored(block_b, b.dtype)
            x, y = as_float64(bits_a, a.dtype), as_float64(bits_b, b.dtype)
            changed += int(np.count_nonzero((x != y) & ~(np.isnan(x) & np.isnan(y))))
            squares += float(np.sum((y - x) ** 2))
            dots += float(np.sum(x * y))
            a_squares += float(np.sum(x * x))
            b_squares += float(np.sum(y * y))
    norms = math.sqrt(a_squares) * math.sqrt(b_squares)
    return TensorDiff(
        name=a.name,
        elements=elements,
        difference_norm=_finite(math.sqrt(squares)),
        cosine=_finite(max(-1.0, min(1.0, dots / norms))) if norms > 0 else None,
        changed_share=changed / elements if elements else 0.0,
    )


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
