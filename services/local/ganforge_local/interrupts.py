"""Being asked to end: the first time kindly, the second time at once."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """Handles SIGINT and SIGTERM while it is entered.

    Args:
        first: called by the first signal; must return at once.
        second: called by every later one.
    """

    def __init__(self, *, first: Callable[[], None], second: Callable[[], None]) -> None:
        self._first = first
        self._second = second
        self._before: dict[signal.Signals, Any] = {}
        self.asked = False

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        asked, self.asked = self.asked, True
        (self._second if asked else self._first)()

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
