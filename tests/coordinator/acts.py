"""What may happen to the store, as Hypothesis draws it: who does what, when, over which network."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from hypothesis import strategies as st

from ganforge.wire.learning import Completion, Heartbeat, Outcome, SnapshotNote
from ganforge_coordinator.job import Trigger
from tests.coordinator.job_model import ACKNOWLEDGE_MS, GAP_MS, LEASE_MS

PEOPLE = [Trigger.STOP, Trigger.PAUSE, Trigger.RESUME, Trigger.CANCEL, Trigger.RETRY]
NAMES = ["ada", "bob", "cyd", "dan"]
EDGES = st.sampled_from([1, 999, ACKNOWLEDGE_MS - 1, ACKNOWLEDGE_MS, LEASE_MS])
JUMPS = st.sampled_from([-3_600_000, -GAP_MS - 1, -GAP_MS, GAP_MS, GAP_MS + 1, 3_600_000])


class Fate(Enum):
    """What the network does to a call."""

    ANSWERED = 1
    REPEATED = 2  # the answer was lost, so it is said again
    CUT = 0  # the coordinator died before it committed


@dataclass(frozen=True)
class Push:
    """A push of points, numbered so far off the number that is due."""

    off: int
    points: int


Write = Heartbeat | Push | SnapshotNote | Completion

WRITES: st.SearchStrategy[Write] = st.one_of(
    st.booleans().map(lambda started: Heartbeat(started=started)),
    st.builds(Push, off=st.sampled_from([0, 0, -1, 1]), points=st.integers(1, 5)),
    st.integers(0, 60).map(lambda n: SnapshotNote(iteration=n, versions={"Generator": n + 1})),
    st.tuples(st.sampled_from(Outcome), st.booleans()).map(
        lambda told: Completion(outcome=told[0], iteration=7, permanent=told[1])
    ),
)
FATES = st.sampled_from([Fate.ANSWERED, Fate.ANSWERED, Fate.ANSWERED, Fate.REPEATED, Fate.CUT])
SUCCEEDED = Completion(outcome=Outcome.SUCCEEDED, iteration=7)
# The first is the one an example of few steps is about.
WHICH = st.integers(0, 9) | st.just(0)


Act = tuple[str, dict[str, Any]]
Method = TypeVar("Method", bound=Callable[..., None])

ACTS: list[st.SearchStrategy[Act]] = []


def act(weight: int, **arguments: st.SearchStrategy[Any]) -> Callable[[Method], Method]:
    """Mark what may happen, and how often it does beside the rest.

    They are not rules of Hypothesis: of those it leaves out many in each example, and what is
    without learners that claim, or without time that passes, tells us nothing.
    """

    def enter(method: Method) -> Method:
        said = st.tuples(st.just(method.__name__), st.fixed_dictionaries(arguments))
        ACTS.extend([said] * weight)
        return method

    return enter
