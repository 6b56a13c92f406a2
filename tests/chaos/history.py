"""What was asked of coordinators and what they answered: one operation a line."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO


class Kind(StrEnum):
    """What an operation asks for."""

    REGISTER = "register"
    CLAIM = "claim"
    BEAT = "beat"
    PUSH = "push"
    NOTE = "note"
    COMPLETE = "complete"
    SUBMIT = "submit"
    STEER = "steer"


class Verdict(StrEnum):
    """What came of it, as far as the one who asked can tell."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"  # no answer: it may have been done, or may yet be


@dataclass(frozen=True, slots=True)
class Operation:
    """One request, from before its first byte was sent until its answer was there.

    Times are seconds of the monotonic clock, which all processes of a machine share.
    """

    invoked: float
    returned: float
    kind: Kind
    verdict: Verdict
    status: int = 0  # of HTTP; 0 without an answer
    slug: str = ""  # of the problem, when refused
    job: str = ""
    attempt: str = ""
    epoch: int = 0
    learner: str = ""
    write: int = 0  # names what was to be written, alike in all repetitions of it
    seq: int = 0


class HistoryWriter:
    """Writes operations to a file as they end.

    Args:
        path: the file; made anew.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("w")
        self.count = 0

    def add(self, operation: Operation) -> None:
        """Write one."""
        self._file.write(json.dumps(astuple(operation)) + "\n")
        self.count += 1

    def close(self) -> None:
        """Write all to the disk."""
        self._file.close()


def read(paths: Iterable[Path]) -> Iterator[Operation]:
    """Read the operations of several files."""
    for path in paths:
        with path.open() as file:
            for line in file:
                invoked, returned, kind, verdict, *rest = json.loads(line)
                yield Operation(invoked, returned, Kind(kind), Verdict(verdict), *rest)


def clock() -> float:
    """Tell the time that operations are noted by."""
    return time.monotonic()
