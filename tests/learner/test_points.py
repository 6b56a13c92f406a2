"""Progress is gathered without waiting, told at its interval, and checked whole."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganforge.errors import Diverged
from ganforge_learner.messages import Points
from ganforge_learner.points import LOSS, MAX_POINTS, PointBuffer
from ganforge_learner.strategy import LearnProgress


def progress(i: int, loss: float | None = None, *, on_device: bool = True) -> LearnProgress:
    value = float(i) if loss is None else loss
    told = torch.tensor(value, dtype=torch.float64) if on_device else value
    return LearnProgress(i, told, {"dLossReal": told, "dLossFake": float(-i)})


def drain(buffer: PointBuffer, rate: float | None = None) -> list[Points]:
    return list(buffer.drain(rate))


@given(
    interval=st.integers(1, 7),
    first=st.integers(0, 50),
    lengths=st.lists(st.integers(0, 20), max_size=6),
    on_device=st.booleans(),
)
def test_exactly_the_iterations_on_the_grid_are_told_wherever_the_buffer_starts(
    interval: int, first: int, lengths: list[int], on_device: bool
) -> None:
    buffer = PointBuffer(interval)
    told: dict[int, float | None] = {}
    i = first
    for length in lengths:
        for _ in range(length):
            buffer.add(progress(i, on_device=on_device))
            i += 1
        for points in drain(buffer):
            assert points.step == interval
            for at, value in enumerate(points.series[LOSS]):
                assert points.first + at * points.step not in told
                told[points.first + at * points.step] = value
    wanted = [at for at in range(first, i) if at % interval == 0]
    assert told == {at: float(at) for at in wanted}
    assert buffer.latest == ({} if i == first else {
        LOSS: float(i - 1), "dLossReal": float(i - 1), "dLossFake": float(1 - i)
    })  # fmt: skip


@given(
    first=st.integers(0, 30),
    broken_at=st.integers(0, 19),
    value=st.sampled_from([math.nan, math.inf, -math.inf]),
    interval=st.integers(1, 4),
)
def test_the_points_before_a_broken_loss_are_told_and_then_its_iteration(
    first: int, broken_at: int, value: float, interval: int
) -> None:
    buffer = PointBuffer(interval)
    for i in range(first, first + 20):
        buffer.add(progress(i, value if i == first + broken_at else None))
    told: list[int] = []

    def tell() -> None:
        for each in buffer.drain(None):
            told.extend(each.first + at * each.step for at in range(len(each.series[LOSS])))

    with pytest.raises(Diverged, match="lower learningRate") as caught:
        tell()
    assert caught.value.members == {"iteration": first + broken_at}
    assert f"at iteration {first + broken_at} (" in caught.value.detail
    assert told == [at for at in range(first, first + broken_at) if at % interval == 0]


def test_a_broken_loss_between_the_told_iterations_is_found() -> None:
    buffer = PointBuffer(1000)
    for i in range(3):
        buffer.add(progress(i))
    buffer.add(LearnProgress(3, torch.tensor(0.5), {"dLossReal": 0.5, "dLossFake": math.nan}))
    with pytest.raises(Diverged, match="dLossFake=nan"):
        drain(buffer)
    assert buffer.latest[LOSS] == 2.0


def test_tensors_of_any_precision_and_plain_numbers_are_read_alike() -> None:
    buffer = PointBuffer(1)
    values: list[float | torch.Tensor] = [
        torch.tensor(0.5, dtype=torch.bfloat16),
        0.25,
        torch.tensor(1, dtype=torch.int32),
    ]
    for i, value in enumerate(values):
        buffer.add(
            LearnProgress(i, value.reshape(()) if isinstance(value, torch.Tensor) else value)
        )
    [points] = drain(buffer, 12.5)
    assert points.series == {LOSS: [0.5, 0.25, 1.0]}
    assert points.iterations_per_second == 12.5


def test_a_drained_buffer_is_empty() -> None:
    buffer = PointBuffer(1)
    assert drain(buffer) == []
    buffer.add(progress(0))
    assert len(drain(buffer)) == 1
    assert drain(buffer) == []


def test_it_is_full_when_one_push_would_be() -> None:
    buffer = PointBuffer(1)
    for i in range(MAX_POINTS):
        assert not buffer.is_full
        buffer.add(LearnProgress(i, 0.5))
    assert buffer.is_full
    [points] = drain(buffer)
    assert len(points.series[LOSS]) == MAX_POINTS
    assert not buffer.is_full


def test_a_loss_that_still_has_a_graph_is_read_without_a_warning() -> None:
    buffer = PointBuffer(1)
    weight = torch.ones((), requires_grad=True)
    buffer.add(LearnProgress(0, weight * 2, {"mixed": weight * 3}))
    buffer.add(LearnProgress(1, weight * 4, {"mixed": 1.0}))
    [points] = drain(buffer)
    assert points.series == {LOSS: [2.0, 4.0], "mixed": [3.0, 1.0]}
