"""One thread, as for the learner's tests."""

from tests.learner.conftest import one_thread

__all__ = ["one_thread"]
