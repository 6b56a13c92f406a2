"""Binary cross-entropy of probabilities: right inside, finite at the ends, honest about NaN."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganforge_learner.losses import HIGHEST, LOWEST, binary_cross_entropy

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
