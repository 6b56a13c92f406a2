"""Where a loss falls no further."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganforge_learner.plateau import Plateau


def reached_at(plateau: Plateau, losses: list[float]) -> int | None:
    for place, loss in enumerate(losses):
        plateau.add([loss])
        if plateau.is_reached:
            return place
    return None


def test_a_loss_that_falls_by_less_than_the_threshold_over_the_window_is_level() -> None:
    falling = [10.0, 8.0, 6.0, 5.5, 5.4, 5.3]
    # 6.0 - 5.4 = 0.6 is the first fall below 1 over two points.
    assert reached_at(Plateau(1.0, 2), falling) == 4
    assert reached_at(Plateau(0.1, 2), falling) is None


@given(losses=st.lists(st.floats(-10, 10), max_size=30), window=st.integers(1, 5))
def test_without_a_threshold_no_loss_is_level(losses: list[float], window: int) -> None:
    assert reached_at(Plateau(None, window), losses) is None


@given(
    losses=st.lists(st.floats(-10, 10), max_size=30),
    threshold=st.floats(-5, 5),
    window=st.integers(1, 5),
    cut=st.integers(0, 30),
)
def test_watching_goes_on_where_it_was(
    losses: list[float], threshold: float, window: int, cut: int
) -> None:
    whole = reached_at(Plateau(threshold, window), losses)
    first = Plateau(threshold, window)
    at = reached_at(first, losses[:cut])
    if at is None:
        at = reached_at(Plateau(threshold, window, first.seen), losses[cut:])
        at = None if at is None else at + len(losses[:cut])
    assert at == whole


@pytest.mark.parametrize("window", [1, 3])
def test_fewer_points_than_the_window_say_nothing(window: int) -> None:
    plateau = Plateau(100.0, window)
    plateau.add([1.0] * window)
    assert not plateau.is_reached
    plateau.add([1.0])
    assert plateau.is_reached
