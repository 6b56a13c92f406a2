"""Losses: right inside, finite at the ends, honest about NaN."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganforge.wire.strategies import Criterion
from ganforge_learner import losses
from ganforge_learner.losses import CRITERIA, HIGHEST, LOWEST, binary_cross_entropy

probabilities = st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1, max_size=40)


@given(p=probabilities, target=st.floats(0, 1))
def test_it_is_torchs_loss_with_torchs_slope(p: list[float], target: float) -> None:
    own = torch.tensor(p, dtype=torch.float64, requires_grad=True)
    other = own.detach().clone().requires_grad_()
    loss = binary_cross_entropy(own, target)
    wanted = torch.nn.functional.binary_cross_entropy(other, torch.full_like(other, target))
    loss.backward()  # type: ignore[no-untyped-call]
    wanted.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-9, abs=1e-12)
    assert own.grad is not None
    assert other.grad is not None
    torch.testing.assert_close(own.grad, other.grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_certainty_has_a_finite_loss_and_no_slope(dtype: torch.dtype) -> None:
    for value, kept in ((0.0, LOWEST), (1.0, 1.0 - HIGHEST)):
        p = torch.full((16, 1), value, dtype=dtype, requires_grad=True)
        loss = binary_cross_entropy(p, 1.0 - value)
        loss.backward()  # type: ignore[no-untyped-call]
        assert loss.item() == pytest.approx(-math.log(kept), rel=0.02)
        assert p.grad is not None
        assert not p.grad.any()


def test_a_generator_that_is_found_out_still_has_a_slope_to_climb() -> None:
    logit = torch.tensor([-25.0], requires_grad=True)
    binary_cross_entropy(torch.sigmoid(logit), 0.85).backward()  # type: ignore[no-untyped-call]
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(-0.85, rel=1e-3)


@pytest.mark.parametrize("size", [1, 7, 16, 33])
def test_a_probability_that_is_nan_makes_the_loss_nan(size: int) -> None:
    p = torch.full((size,), 0.5)
    p[-1] = float("nan")
    assert binary_cross_entropy(p, 0.85).isnan()


JUDGED = [[0.2], [0.9]]
KNOWN = {
    Criterion.MSE: ((0.2 - 0.85) ** 2 + (0.9 - 0.85) ** 2) / 2,
    Criterion.ABS: (0.65 + 0.05) / 2,
    Criterion.BCE: -(
        0.85 * math.log(0.2) + 0.15 * math.log(0.8) + 0.85 * math.log(0.9) + 0.15 * math.log(0.1)
    )
    / 2,
    Criterion.NLL: -(
        0.85 * math.log(0.2) + 0.15 * math.log(0.8) + 0.85 * math.log(0.9) + 0.15 * math.log(0.1)
    )
    / 2,
    Criterion.HUB: ((1 + 0.65**2) ** 0.5 - 1 + (1 + 0.05**2) ** 0.5 - 1) / 2,
    Criterion.BCE_LOGITS: (
        math.log(1 + math.exp(0.2)) - 0.85 * 0.2 + math.log(1 + math.exp(0.9)) - 0.85 * 0.9
    )
    / 2,
}


@pytest.mark.parametrize("criterion", Criterion)
def test_every_criterion_gives_the_known_answer(criterion: Criterion) -> None:
    judged = torch.tensor(JUDGED, dtype=torch.float64)
    assert float(CRITERIA[criterion](judged, 0.85)) == pytest.approx(KNOWN[criterion], rel=1e-6)


@pytest.mark.parametrize("criterion", Criterion)
def test_every_criterion_lets_nan_through(criterion: Criterion) -> None:
    assert CRITERIA[criterion](torch.tensor([0.5, math.nan]), 0.85).isnan()


@pytest.mark.parametrize("criterion", Criterion)
@given(value=st.sampled_from([0.0, 1.0, 0.3, 1e-30]), target=st.floats(0, 1))
def test_every_criterion_and_its_slope_are_finite_for_every_probability(
    criterion: Criterion, value: float, target: float
) -> None:
    judged = torch.full((3, 1), value, requires_grad=True)
    loss = CRITERIA[criterion](judged, target)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert judged.grad is not None
    assert torch.isfinite(judged.grad).all()


@given(logits=st.lists(st.floats(-30, 30), min_size=1, max_size=9), target=st.floats(0, 1))
def test_cross_entropy_of_logits_is_that_of_their_probabilities(
    logits: list[float], target: float
) -> None:
    logit = torch.tensor(logits, dtype=torch.float64)
    wanted = torch.nn.functional.binary_cross_entropy(
        torch.sigmoid(logit), torch.full_like(logit, target)
    )
    given = losses.binary_cross_entropy_of_logits(logit, target)
    assert float(given) == pytest.approx(float(wanted), rel=1e-3, abs=1e-9)


def test_the_hinge_is_content_beyond_its_margin() -> None:
    judged = torch.tensor([2.0, 0.5, -3.0])
    assert float(losses.hinge(judged, 1)) == pytest.approx((0 + 0.5 + 4) / 3)
    assert float(losses.hinge(judged, -1)) == pytest.approx((3 + 1.5 + 0) / 3)


def test_the_relativistic_loss_looks_at_pairs() -> None:
    better, worse = torch.tensor([1.0, -2.0]), torch.tensor([0.0, 1.0])
    wanted = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(3))) / 2
    assert float(losses.relativistic(better, worse)) == pytest.approx(wanted)
    assert torch.isfinite(losses.relativistic(torch.tensor([-1e4]), torch.tensor([1e4])))
