"""Names for bytes: ``sha256:<64 hex digits>``."""

import hashlib
import re
from pathlib import Path

PATTERN = r"^sha256:[0-9a-f]{64}$"


def of_bytes(data: bytes | memoryview) -> str:
    """Name ``data`` by its SHA-256 (FIPS 180-4)."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def of_file(path: Path) -> str:
    """Name the content of the file at ``path``, read in blocks."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def is_digest(text: str) -> bool:
    """Tell whether ``text`` has the form of a digest."""
    return re.fullmatch(PATTERN, text) is not None
