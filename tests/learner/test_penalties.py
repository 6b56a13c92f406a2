"""Gradient penalties against what they are on discriminators whose slopes are known."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganforge_learner import penalties

slopes = st.lists(st.floats(-10, 10), min_size=1, max_size=12)


@given(slope=slopes, count=st.integers(1, 5))
def test_a_linear_discriminator_has_its_weights_as_slope_everywhere(
    slope: list[float], count: int
) -> None:
    weight = torch.tensor(slope, dtype=torch.float64)
    x = torch.randn(count, len(slope), dtype=torch.float64).requires_grad_()
    square = float(weight.square().sum())
    zero, one = penalties.zero_centred(x @ weight, x), penalties.one_centred(x @ weight, x)
    assert float(zero.detach()) == pytest.approx(square, rel=1e-12, abs=1e-12)
    assert float(one.detach()) == pytest.approx((square**0.5 - 1) ** 2, rel=1e-9, abs=1e-12)


def test_each_sample_has_its_own_slope() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    judged = x.square().sum(dim=1, keepdim=True) / 2  # whose slope at x is x
    assert float(penalties.zero_centred(judged, x).detach()) == pytest.approx((25 + 1) / 2)
    judged = x.square().sum(dim=1, keepdim=True) / 2
    assert float(penalties.one_centred(judged, x).detach()) == pytest.approx((16 + 0) / 2)


@pytest.mark.parametrize("penalty", [penalties.zero_centred, penalties.one_centred])
def test_a_discriminator_without_slope_has_a_finite_penalty_and_step(penalty: object) -> None:
    weight = torch.zeros(3, requires_grad=True)
    x = torch.randn(4, 3).requires_grad_()
    given = penalty(x @ weight, x)  # type: ignore[operator]
    given.backward()
    assert torch.isfinite(given)
    assert weight.grad is not None
    assert torch.isfinite(weight.grad).all()


def test_the_penalty_can_be_stepped_down() -> None:
    weight = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    x = torch.randn(4, 2, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(penalties.zero_centred(x @ weight, x), weight)
    assert torch.allclose(slope, 2 * weight)
    (slope,) = torch.autograd.grad(penalties.one_centred(x @ weight, x), weight)
    assert torch.allclose(slope, 2 * (5 - 1) * weight / 5)


@given(share=st.floats(0, 1))
def test_mixed_samples_lie_between_real_and_fake(share: float) -> None:
    real, fake = torch.full((2, 1, 3, 3), 2.0), torch.full((2, 1, 3, 3), -1.0)
    mixed = penalties.mix(real, fake, torch.tensor([share, 1.0]))
    assert torch.allclose(mixed[0], torch.full((1, 3, 3), 3 * share - 1), atol=1e-6)
    assert torch.equal(mixed[1], real[1])
