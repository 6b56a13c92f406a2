"""What a job waits for is said in words that tell what to do about it."""

import pytest

from ganforge_coordinator import ldap_filter
from ganforge_coordinator.waiting import Candidate, Wish, explain

GPU = {"os": "linux", "gpu.count": "1", "pool": "blue"}
CPU = {"os": "linux", "gpu.count": "0"}


def learner(
    labels: dict[str, str] = CPU, *, datasets: tuple[str, ...] = ("MNIST",), is_busy: bool = False
) -> Candidate:
    return Candidate(labels=labels, datasets=frozenset(datasets), is_busy=is_busy)


def wish(target_filter: str | None = None, *, rests_ms: int = 0) -> Wish:
    asked = None if target_filter is None else ldap_filter.parse(target_filter)
    return Wish(dataset="MNIST", selector=asked, rests_ms=rests_ms)


@pytest.mark.parametrize(
    ("asked", "here", "told"),
    [
        (wish(), [], "no learner is here; start one with ganforge learner"),
        (wish(), [learner()], None),
        (wish("(pool=blue)"), [learner(), learner(GPU)], None),
        (
            wish("(&(os=linux)(gpu.count>=2))"),
            [learner(), learner(GPU)],
            "no learner here fits targetFilter: none has gpu.count >= 2",
        ),
        (
            wish("(&(pool=blue)(gpu.count<=0))"),
            [learner(), learner(GPU)],
            "no learner here fits targetFilter: none has all of gpu.count <= 0 and pool=blue",
        ),
        (
            wish("(pol=blue)"),
            [learner(GPU)],
            "no learner here fits targetFilter: none has pol=blue; did you mean pool?",
        ),
        (wish(), [learner(datasets=())], "no learner here reads the dataset MNIST"),
        (
            wish("(gpu.count>=1)"),
            [learner(), learner(GPU, datasets=("digits",))],
            "no learner that fits targetFilter reads the dataset MNIST",
        ),
        (wish(rests_ms=1500), [learner()], "it rests for another 2 s"),
        (wish(), [learner(is_busy=True)], "one learner could take it, and none of them is free"),
        (
            wish(),
            [learner(is_busy=True), learner(GPU, is_busy=True)],
            "2 learners could take it, and none of them is free",
        ),
    ],
)
def test_what_a_job_waits_for(asked: Wish, here: list[Candidate], told: str | None) -> None:
    assert explain(asked, here) == told
