"""Third-party strategies: one holds the GIL for long, as a native extension may; one hangs; one
takes its time."""

import ctypes
import os
import time
from pathlib import Path

from ganforge_learner import LearnProgress
from ganforge_learner.strategies import GANLearningStrategy

REST_SECONDS = 0.05
HOLD_SECONDS = int(os.environ.get("GIL_HOLD_SECONDS", "8"))

# Unlike CDLL, PyDLL keeps the GIL during a call: every other thread of the process stands still.
_c = ctypes.PyDLL(None)


class GilHolder(GANLearningStrategy):
    """GANLearningStrategy, which once sleeps without letting any other thread run."""

    def process_iteration(self, i: int) -> LearnProgress:
        """Iterate as usual, but for one iteration that takes long."""
        if i == 20:
            _c.sleep(HOLD_SECONDS)
        return super().process_iteration(i)


class Unhurried(GANLearningStrategy):
    """GANLearningStrategy, at some 20 iterations a second, so that many share a machine."""

    def process_iteration(self, i: int) -> LearnProgress:
        """Rest, then iterate as usual."""
        time.sleep(REST_SECONDS)
        return super().process_iteration(i)


class HangsOnce(GANLearningStrategy):
    """GANLearningStrategy, which hangs for ever when the file that ``HANG_ONCE`` names is there."""

    def process_iteration(self, i: int) -> LearnProgress:
        """Iterate as usual, but take the file away and hang where it is there."""
        if i == 30 and (bait := Path(os.environ["HANG_ONCE"])).exists():
            bait.unlink()
            while True:
                time.sleep(1000)
        return super().process_iteration(i)
