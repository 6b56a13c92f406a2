"""What a file has to be, by its media type; checked while it streams by."""

from typing import Protocol

from ganforge.errors import BadInput, BadWeights
from ganforge.wire.weights import PNG, SAFETENSORS
from ganforge_repository.fit import Signature, require_fit
from ganforge_repository.safetensors_header import Header, HeaderReader
from ganforge_repository.values import ValueCheck

_PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"


class Check(Protocol):
    """Looks at a file block by block and raises BadInput where it is not what it should be."""

    def feed(self, block: bytes) -> None:
        """Look at the next bytes."""

    def finish(self) -> None:
        """Look at the file as a whole: there are no more bytes."""


class SafetensorsCheck:
    """Checks the header as soon as it is there, then every value.

    Args:
        network: whose weights they are, when they are anybody's.
        expected: the tensors of that network.
    """

    def __init__(self, network: str | None = None, expected: Signature | None = None) -> None:
        self.header: Header | None = None
        self._values: ValueCheck | None = None
        self._reader = HeaderReader()
        self._size = 0
        self._network = network
        self._expected = expected

    @property
    def nonfinite_count(self) -> int:
        """How many elements so far are NaN or infinite."""
        return self._values.nonfinite_count if self._values else 0

    def feed(self, block: bytes) -> None:
        """Look at the next bytes.

        Raises:
            BadWeights: the file is broken, hostile, or does not fit the network.
        """
        begin, self._size = self._size, self._size + len(block)
        if self.header is None:
            self.header = self._reader.feed(block)
            if self.header is None:
                return
            self._values = ValueCheck(self.header)
            self._require_fit(self.header)
        if self._size > self.header.size_bytes:
            raise BadWeights(
                f"the file goes on behind its last tensor, which ends at {self.header.size_bytes}"
            )
        if self._values and self._size > self.header.data_start:
            self._values.feed(memoryview(block)[max(self.header.data_start - begin, 0) :])

    def finish(self) -> None:
        """Require that all tensors are there.

        Raises:
            BadWeights: the file was cut off.
        """
        if self.header is None:
            raise BadWeights(f"the file ends after {self._size} bytes, within its header")
        if self._size < self.header.size_bytes:
            raise BadWeights(
                f"the file ends after {self._size} bytes; its tensors take {self.header.size_bytes}"
            )

    def _require_fit(self, header: Header) -> None:
        if self._network is not None and self._expected is not None:
            found = {tensor.name: (tensor.dtype, tensor.shape) for tensor in header.tensors}
            require_fit(self._network, found, self._expected)


class PngCheck:
    """Checks that a picture begins and ends as PNG says (RFC 2083, section 3.1 and 4.1.4)."""

    def __init__(self) -> None:
        self._begin = b""
        self._end = b""

    def feed(self, block: bytes) -> None:
        """Look at the next bytes.

        Raises:
            BadInput: it is no PNG.
        """
        self._begin = (self._begin + block[:8])[:8]
        self._end = (self._end + block[-12:])[-12:]
        if not _PNG_BEGIN.startswith(self._begin):
            raise BadInput("the file does not begin as a PNG does")

    def finish(self) -> None:
        """Require the picture's end.

        Raises:
            BadInput: the file was cut off.
        """
        if self._end != _PNG_END:
            raise BadInput("the file does not end as a PNG does")


def check_for(media_type: str) -> Check | None:
    """Make the check for ``media_type``; None when the repository does not take such files."""
    if media_type == SAFETENSORS:
        return SafetensorsCheck()
    return PngCheck() if media_type == PNG else None
