"""A third-party strategy that holds the GIL for long, as a native extension may."""

import ctypes

from ganforge_learner import LearnProgress
from ganforge_learner.strategies import GANLearningStrategy

HOLD_SECONDS = 8

# Unlike CDLL, PyDLL keeps the GIL during a call: every other thread of the process stands still.
_c = ctypes.PyDLL(None)


class GilHolder(GANLearningStrategy):
    """GANLearningStrategy, which once sleeps without letting any other thread run."""

    def process_iteration(self, i: int) -> LearnProgress:
        """Iterate as usual, but for one iteration that takes long."""
        if i == 20:
            _c.sleep(HOLD_SECONDS)
        return super().process_iteration(i)
