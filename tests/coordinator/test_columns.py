"""Columns of progress: packed and unpacked, thinned out without losing a spike."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganforge_coordinator import columns
from ganforge_coordinator.columns import Columns

NUMBERS = st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False))


def columns_of(matrix: list[list[float]]) -> Columns:
    series = {f"s{index}": np.array(row, dtype=np.float32) for index, row in enumerate(matrix)}
    return Columns(np.arange(len(matrix[0]), dtype=np.int64), series)


@st.composite
def matrices(draw: st.DrawFn, longest: int = 60) -> list[list[float]]:
    length = draw(st.integers(1, longest))
    value = st.one_of(st.floats(width=32), st.just(float("nan")), st.integers(-3, 3).map(float))
    rows = draw(st.integers(1, 3))
    return [draw(st.lists(value, min_size=length, max_size=length)) for _ in range(rows)]


@st.composite
def pushes(draw: st.DrawFn) -> list[tuple[int, int, list[list[float | None]]]]:
    """Some pushes of the same two series: first iteration, step, columns."""
    starts = draw(st.lists(st.tuples(st.integers(0, 2**40), st.integers(1, 1000)), min_size=1))
    lengths = [draw(st.integers(1, 9)) for _ in starts]
    column = [st.lists(NUMBERS, min_size=length, max_size=length) for length in lengths]
    return [
        (first, step, [draw(values), draw(values)])
        for (first, step), values in zip(starts, column, strict=True)
    ]


@given(pushes())
def test_what_is_packed_is_unpacked_however_many_at_once(
    told: list[tuple[int, int, list[list[float | None]]]],
) -> None:
    bodies = [columns.pack(dict(zip("ab", both, strict=True))) for _, _, both in told]
    counts = np.array([len(both[0]) for _, _, both in told])
    firsts, steps = (np.array([each[at] for each in told]) for at in (0, 1))
    found = columns.unpack(bodies, ["a", "b"], firsts, steps, counts)
    assert found.iterations.tolist() == [
        first + step * index for first, step, both in told for index in range(len(both[0]))
    ]
    for at, name in enumerate("ab"):
        wanted = [value for _, _, both in told for value in both[at]]
        assert columns.as_json(found.series[name]) == pytest.approx(wanted)


def test_numbers_beyond_float32_become_infinite_and_read_as_null() -> None:
    body = columns.pack({"a": [1e300, -1e300, 1e-300]})
    found = columns.unpack([body], ["a"], np.array([0]), np.array([1]), np.array([3]))
    assert columns.as_json(found.series["a"]) == [None, None, 0.0]


@pytest.mark.parametrize("value", [0.85, 1e-9, 3e-30, 123456.78, -0.1, 3e38])
def test_a_number_is_told_as_it_was_meant(value: float) -> None:
    column = np.array([value], dtype=np.float32)
    assert columns.as_json(column) == [value]


@given(matrices(), st.integers(2, 30))
def test_thinning_keeps_every_extreme_both_ends_and_the_order(
    matrix: list[list[float]], max_points: int
) -> None:
    points = columns_of(matrix)
    few = columns.downsample([points], max_points)
    assert len(few) == len(points) or len(points) > max_points
    assert few.iterations[0] == points.iterations[0]
    assert few.iterations[-1] == points.iterations[-1]
    assert (np.diff(few.iterations) > 0).all()
    assert len(few) <= max(max_points, 2 + 2 * len(matrix))
    for name, column in points.series.items():
        finite = column[np.isfinite(column)]
        kept = few.series[name]
        assert np.array_equal(column[few.iterations], kept, equal_nan=True)
        if len(finite):
            assert finite.min() in kept
            assert finite.max() in kept


@given(matrices(), st.integers(2, 30), st.lists(st.integers(0, 60)))
def test_the_same_points_always_give_the_same_answer_whatever_parts_they_come_in(
    matrix: list[list[float]], max_points: int, cuts: list[int]
) -> None:
    whole = columns_of(matrix)
    ends = [0, *sorted(cuts), len(whole)]
    parts = [whole.take(slice(*between)) for between in pairwise(ends)]

    def thinned(points: list[Columns]) -> bytes:
        few = columns.downsample(points, max_points)
        return few.iterations.tobytes() + b"".join(c.tobytes() for c in few.series.values())

    assert thinned(parts) == thinned([whole])


def test_a_spike_of_one_iteration_in_a_million_is_kept() -> None:
    losses = np.zeros(1_000_000, dtype=np.float32)
    losses[123_457] = 9.0
    few = columns.downsample([Columns(np.arange(1_000_000), {"loss": losses})], 1000)
    assert len(few) <= 1000
    assert few.series["loss"][list(few.iterations).index(123_457)] == 9.0


@given(st.lists(matrices(longest=20), max_size=4))
def test_joined_parts_follow_one_another_and_missing_series_are_nan(
    parts: list[list[list[float]]],
) -> None:
    joined = columns.join([columns_of(part) for part in parts])
    assert len(joined) == sum(len(part[0]) for part in parts)
    for index, (name, column) in enumerate(joined.series.items()):
        assert name == f"s{index}"
        wanted = [
            value
            for part in parts
            for value in (part[index] if index < len(part) else [math.nan] * len(part[0]))
        ]
        assert np.array_equal(column, np.array(wanted, dtype=np.float32), equal_nan=True)


def test_scattered_points_are_unpacked_as_they_were() -> None:
    points = [
        Columns(
            np.array(iterations, dtype=np.int64),
            {"a": np.array(a, np.float32), "b": np.array(b, np.float32)},
        )
        for iterations, a, b in (
            ([2**40, 2**40 + 1, 2**40 + 2**32 - 1], [1.0, np.nan, np.inf], [4.0, 5.0, 6.0]),
            ([7], [0.1], [-0.0]),
        )
    ]
    packed = [columns.pack_scattered(each) for each in points]
    names = packed[0][0]
    assert names[1:] == ["a", "b"]
    again = columns.unpack(
        [body for _, body in packed],
        json.loads(json.dumps(names)),
        np.array([2**40, 7]),
        np.array([5, 0]),
        np.array([3, 1]),
    )
    whole = columns.join(points)
    assert again.iterations.tolist() == whole.iterations.tolist()
    assert list(again.series) == ["a", "b"]
    for name, column in whole.series.items():
        assert again.series[name].tobytes() == column.tobytes()


def test_iterations_that_span_too_much_are_refused() -> None:
    far = Columns(np.array([0, 2**32], np.int64), {"a": np.zeros(2, np.float32)})
    with pytest.raises(ValueError, match="span"):
        columns.pack_scattered(far)


@given(
    st.lists(st.floats(width=32), min_size=1, max_size=60),
    st.integers(min_value=1, max_value=20),
)
def test_thinned_points_have_the_extremes_and_the_last_of_every_run(
    losses: list[float], width: int
) -> None:
    column = np.array(losses, np.float32)
    whole = Columns(np.arange(len(losses), dtype=np.int64), {"loss": column})
    left = columns.thin(whole, width)
    assert len(left) <= 3 * -(-len(losses) // width)
    assert left.series["loss"].tobytes() == column[left.iterations].tobytes()
    for first in range(0, len(losses), width):
        run = column[first : first + width]
        kept = left.series["loss"][(left.iterations >= first) & (left.iterations < first + width)]
        assert kept[-1:].tobytes() == run[-1:].tobytes()
        if np.isfinite(run).any():
            for extreme in (np.min, np.max):
                finite = extreme(kept[np.isfinite(kept)])
                assert finite == extreme(run[np.isfinite(run)])
