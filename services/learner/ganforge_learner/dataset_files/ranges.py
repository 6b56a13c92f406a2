"""Ranges of samples, as ``0-8000,9000-9500``: from a first to an end that is left out."""

import re
from itertools import pairwise

from ganforge.errors import BadInput

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


def parse_ranges(text: str, *, size: int, key: str) -> tuple[range, ...]:
    """Read ranges, in the order they are written.

    Args:
        text: the ranges.
        size: how many samples there are.
        key: what to call the text in errors.

    Raises:
        BadInput: a range is none, is empty, goes past the last sample, or overlaps another.
    """
    ranges = tuple(_parse(part, size=size, key=key) for part in text.split(","))
    in_order = sorted(ranges, key=lambda told: told.start)
    for one, other in pairwise(in_order):
        if other.start < one.stop:
            raise BadInput(f"{key}: {_say(one)} and {_say(other)} overlap")
    return ranges


def _parse(part: str, *, size: int, key: str) -> range:
    match = _RANGE.fullmatch(part.strip())
    if match is None:
        raise BadInput(f"{key}: {part!r} is no range; write it as 0-8000")
    told = range(int(match[1]), int(match[2]))
    if not told:
        raise BadInput(f"{key}: {_say(told)} is empty: its end is left out")
    if told.stop > size:
        raise BadInput(f"{key}: {_say(told)} goes past the last of {size} samples")
    return told


def _say(told: range) -> str:
    return f"{told.start}-{told.stop}"
