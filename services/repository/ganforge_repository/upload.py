"""A file on its way in: measured, hashed, checked and stored block by block."""

import hashlib
from dataclasses import dataclass
from typing import Any

from ganforge.errors import BadInput, TooLarge
from ganforge_repository.blob_store import BlobStore
from ganforge_repository.checks import Check, SafetensorsCheck


@dataclass(frozen=True, slots=True)
class Received:
    """A file that is whole and durable, but not yet to be seen by anybody."""

    digest: str
    size_bytes: int
    media_type: str
    content: str
    data_start: int | None = None
    tensors: list[dict[str, Any]] | None = None
    nonfinite_count: int | None = None


class Upload:
    """Takes a file in blocks; memory does not grow with the file.

    Args:
        store: where the bytes go.
        check: what the file has to be.
        media_type: what the caller says it is.
        max_bytes: the largest file taken.
        digest: the digest the bytes have to have, when it is known beforehand.
    """

    def __init__(
        self,
        store: BlobStore,
        check: Check,
        *,
        media_type: str,
        max_bytes: int,
        digest: str | None = None,
    ) -> None:
        self._writer = store.writer()
        self._check = check
        self._media_type = media_type
        self._max_bytes = max_bytes
        self._wanted = digest
        self._hash = hashlib.sha256()
        self._size = 0

    def feed(self, block: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooLarge: the file is larger than taken.
            BadInput: the bytes are not what they should be.
        """
        self._size += len(block)
        if self._size > self._max_bytes:
            raise too_large(self._max_bytes)
        self._hash.update(block)
        self._check.feed(block)
        self._writer.write(block)

    def finish(self) -> Received:
        """Check the whole and make it durable.

        Raises:
            BadInput: the bytes are not what they should be, or have another digest.
        """
        self._check.finish()
        digest = f"sha256:{self._hash.hexdigest()}"
        if self._wanted not in (None, digest):
            raise BadInput(f"the bytes have the digest {digest}, not {self._wanted}", digest=digest)
        self._writer.finish()
        received = Received(digest, self._size, self._media_type, self._writer.content)
        check = self._check
        if not isinstance(check, SafetensorsCheck) or check.header is None:
            return received
        return Received(
            digest,
            self._size,
            self._media_type,
            self._writer.content,
            data_start=check.header.data_start,
            tensors=[_as_json(tensor) for tensor in check.header.tensors],
            nonfinite_count=check.nonfinite_count,
        )

    def discard(self) -> None:
        """Leave nothing behind; may be called at any moment before the file is registered."""
        self._writer.discard()


def too_large(max_bytes: int) -> TooLarge:
    """Say how large a file may be."""
    return TooLarge(f"the repository takes files of {max_bytes} bytes at most", maxBytes=max_bytes)


def _as_json(tensor: Any) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "begin": tensor.begin,
        "end": tensor.end,
    }
