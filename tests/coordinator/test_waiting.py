"""What a job waits for is said in words that tell what to do about it."""

from typing import Any

import pytest

from ganforge_coordinator import ldap_filter
from ganforge_coordinator.waiting import Candidate, Wish, explain

GPU = {"os": "linux", "gpu.count": "1", "pool": "blue"}
CPU = {"os": "linux", "gpu.count": "0"}


def learner(
    labels: dict[str, str] = CPU, *, datasets: tuple[str, ...] = ("MNIST",), **facts: Any
) -> Candidate:
    return Candidate(labels, frozenset(datasets), **{"is_busy": False, **facts})


def wish(target_filter: str | None = None, **facts: Any) -> Wish:
    asked = None if target_filter is None else ldap_filter.parse(target_filter)
    return Wish(dataset="MNIST", strategy="GAN", selector=asked, **facts)


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
        (
            wish(),
            [learner(takes_jobs=False)],
            "one learner could take it, drained or quarantined: resume one",
        ),
        (wish(rests_until_ms=1_795_410_007_900), [learner()], "it rests until 05:00:07 UTC"),
        (wish(), [learner(is_busy=True)], "one learner could take it, and none of them is free"),
        (
            wish(),
            [learner(is_busy=True), learner(GPU, is_busy=True)],
            "2 learners could take it, and none of them is free",
        ),
        (
            wish(),
            [learner(is_busy=True, number=500)],
            "500 learners could take it, and none of them is free",
        ),
        (
            wish(count=3),
            [learner(sizes={"GAN": 8}), learner(sizes={"GAN": 2}), learner()],
            "it takes 3 learners at once, and one is here that can work on it together",
        ),
        (
            wish(count=2),
            [learner()] * 3,
            "it takes 2 learners at once, and none is here that can work on it together",
        ),
        (
            wish(count=3),
            [learner(sizes={"GAN": 8})] * 2 + [learner(sizes={"GAN": 8}, is_busy=True)],
            "it takes 3 learners at once: 3 could take it, and 2 are free of them",
        ),
        (wish(count=2), [learner(sizes={"GAN": 2})] * 2, None),
    ],
)
def test_what_a_job_waits_for(asked: Wish, here: list[Candidate], told: str | None) -> None:
    assert explain(asked, here) == told
