"""Preconditions and ranges: RFC 9110, sections 13 and 14, as pure rules."""

import re
from dataclasses import dataclass

_ETAG = re.compile(r'\s*(W/)?"([^"]*)"\s*(?:,|$)')
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


def is_named(opaque: str, header: str | None) -> bool:
    """Tell whether an If-None-Match names the entity tag, by weak comparison (13.1.2, 8.8.3.2).

    Args:
        opaque: the entity tag without its quotes.
        header: the header's value: ``*``, or a list of entity tags; None when not sent.
    """
    if header is None:
        return False
    return header.strip() == "*" or any(tag == opaque for _, tag in _ETAG.findall(header))


def is_strongly_named(opaque: str, header: str | None) -> bool:
    """Tell whether an If-Match or If-Range names the entity tag, by strong comparison."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return any(tag == opaque and not weak for weak, tag in _ETAG.findall(header))


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """The range lies outside of the file: 416."""


def wanted_range(
    header: str | None, if_range: str | None, *, opaque: str, size: int
) -> tuple[int, int] | Unsatisfiable | None:
    """Tell which part of a file is asked for.

    Args:
        header: the Range header.
        if_range: the If-Range header: the part is wanted only of the file it names (13.1.5).
        opaque: the file's entity tag without its quotes.
        size: the file's size in bytes.

    Returns:
        The first byte and the one behind the last; None for all of it. Several ranges, unknown
        units and nonsense also give all of it, as 14.2 allows.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or (if_range is not None and not is_strongly_named(opaque, if_range)):
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        begin, end = max(size - int(last), 0), size
    else:
        begin, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < begin:
            return None
    return (begin, end) if begin < end else Unsatisfiable()
