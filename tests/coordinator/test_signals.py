"""Wake-ups: told at once, across threads, and from a signal handler too."""

import asyncio
import signal
import threading
import time
from types import FrameType

from ganforge_coordinator.signals import Signals


def test_a_waiter_is_woken_by_another_thread() -> None:
    signals = Signals()

    async def wait() -> float:
        with signals.waiting("topic") as waiter:
            threading.Thread(target=signals.notify, args=("topic",)).start()
            begin = time.monotonic()
            await waiter.wait(300)
            return time.monotonic() - begin

    assert asyncio.run(wait()) < 150


def test_a_change_between_looking_and_waiting_is_not_missed() -> None:
    signals = Signals()

    async def wait() -> None:
        with signals.waiting("topic") as waiter:
            signals.notify("topic")
            await asyncio.wait_for(waiter.wait(300), timeout=60)

    asyncio.run(wait())


def test_a_waiter_gives_up_after_its_time_and_other_topics_do_not_wake_it() -> None:
    signals = Signals()

    async def wait() -> None:
        with signals.waiting("topic") as waiter:
            signals.notify("other")
            await waiter.wait(0.01)

    asyncio.run(wait())
    signals.notify("topic")  # nobody is there any more


def test_a_signal_handler_may_tell_everyone_even_while_a_waiter_comes_or_goes() -> None:
    signals = Signals()

    def tell(number: int, frame: FrameType | None) -> None:
        signals.notify_all()

    async def come_and_go() -> None:
        for _ in range(20_000):
            with signals.waiting("topic"):
                pass

    before = signal.signal(signal.SIGALRM, tell)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        asyncio.run(come_and_go())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
