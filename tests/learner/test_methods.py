"""Methods step as their papers and, where equal, torch's optimizers do, and can be saved."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ganforge.wire.config import DecayType, LearnConfig
from ganforge_learner import state
from ganforge_learner.methods import Adadelta, Adagrad, Adam, LearningRate, RMSProp, make_stepper

SHAPES = ((4, 3), (4,), (1, 2, 2, 2), ())
CONFIGS: list[dict[str, Any]] = [
    {"method": "SGD"},
    {"method": "SGD", "momentum": 0.9, "l2": 0.01},
    {"method": "SGD", "nesterov": 0.8, "decayRate": 0.01, "decayType": "EXPONENTIAL"},
    {"method": "SGD", "decayRate": 0.0001, "minLearningRate": 0.005},
    {"method": "ADAM", "beta1": 0.5, "l2": 0.1},
    {"method": "RMSPROP"},
    {"method": "ADAGRAD", "l2": 0.01},
    {"method": "ADADELTA"},
]


def parameters() -> list[Tensor]:
    drawn = torch.Generator().manual_seed(4)
    return [torch.randn(shape, generator=drawn, requires_grad=True) for shape in SHAPES]


def gradients_at(step: int) -> list[Tensor]:
    drawn = torch.Generator().manual_seed(100 + step)
    return [torch.randn(shape, generator=drawn) for shape in SHAPES]


def give_gradients(tensors: list[Tensor], step: int) -> None:
    for tensor, gradient in zip(tensors, gradients_at(step), strict=True):
        tensor.grad = gradient


def all_equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


EQUALS: list[tuple[dict[str, Any], Callable[[list[Tensor]], torch.optim.Optimizer]]] = [
    ({"method": "SGD", "learningRate": 0.1}, lambda p: torch.optim.SGD(p, 0.1)),
    ({"method": "SGD", "momentum": 0.9}, lambda p: torch.optim.SGD(p, 0.01, momentum=0.9)),
    (
        {"method": "SGD", "momentum": 0.5, "l2": 0.1},
        lambda p: torch.optim.SGD(p, 0.01, momentum=0.5, weight_decay=0.1),
    ),
    (
        {"method": "SGD", "nesterov": 0.9},
        lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, nesterov=True),
    ),
    ({"method": "ADAM"}, lambda p: torch.optim.Adam(p)),
    (
        {"method": "ADAM", "learningRate": 2e-4, "beta1": 0.0, "beta2": 0.9, "l2": 0.1},
        lambda p: torch.optim.Adam(p, 2e-4, betas=(0.0, 0.9), weight_decay=0.1),
    ),
    ({"method": "RMSPROP"}, lambda p: torch.optim.RMSprop(p, 0.001, alpha=0.9)),
    ({"method": "ADAGRAD"}, lambda p: torch.optim.Adagrad(p, 0.01, eps=1e-8)),
    ({"method": "ADADELTA"}, lambda p: torch.optim.Adadelta(p, 1.0, rho=0.95)),
]


@pytest.mark.parametrize(("keys", "make"), EQUALS)
def test_a_method_steps_as_torchs_optimizer_does(
    keys: dict[str, Any], make: Callable[[list[Tensor]], torch.optim.Optimizer]
) -> None:
    own, others = parameters(), parameters()
    stepper, optimizer = make_stepper(LearnConfig.model_validate(keys), own), make(others)
    for step in range(40):
        give_gradients(own, step)
        give_gradients(others, step)
        stepper.step()
        optimizer.step()
    for a, b in zip(own, others, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keys", CONFIGS)
def test_a_saved_method_goes_on_bit_for_bit(keys: dict[str, Any]) -> None:
    config = LearnConfig.model_validate(keys)
    own = parameters()
    stepper = make_stepper(config, own)
    for step in range(10):
        give_gradients(own, step)
        stepper.step()
    others = [tensor.detach().clone().requires_grad_() for tensor in own]
    again = make_stepper(config, others)
    again.load_state_dict(state.load(state.dump(stepper.state_dict())))
    for step in range(10, 20):
        give_gradients(own, step)
        give_gradients(others, step)
        stepper.step()
        again.step()
    assert all_equal(own, others)


@pytest.mark.parametrize("keys", CONFIGS)
def test_a_step_leaves_the_gradients_as_they_were(keys: dict[str, Any]) -> None:
    own = parameters()
    stepper = make_stepper(LearnConfig.model_validate(keys), own)
    give_gradients(own, 0)
    stepper.step()
    assert all_equal([tensor.grad for tensor in own if tensor.grad is not None], gradients_at(0))


def test_no_gradient_is_left_after_they_are_forgotten() -> None:
    own = parameters()
    stepper = make_stepper(LearnConfig(), own)
    give_gradients(own, 0)
    stepper.zero_grad()
    assert [tensor.grad for tensor in own] == [None] * len(own)


@given(
    rate=st.floats(1e-6, 10),
    decay=st.floats(0, 1),
    kind=st.sampled_from(DecayType),
    minimum=st.floats(0, 1) | st.none(),
    step=st.integers(0, 10**6),
)
def test_a_learning_rate_never_rises_and_never_falls_below_its_minimum(
    rate: float, decay: float, kind: DecayType, minimum: float | None, step: int
) -> None:
    schedule = LearningRate(rate, decay_rate=decay, decay_type=kind, minimum=minimum)
    now, next_one = schedule.at(step), schedule.at(step + 1)
    assert next_one <= now
    assert min(rate, minimum or 0.0) <= next_one
    assert schedule.at(0) == max(rate, minimum or 0.0) or not decay


def test_learning_rates_fall_as_they_are_told() -> None:
    linear = LearningRate(0.1, decay_rate=0.01, decay_type=DecayType.LINEAR, minimum=0.05)
    assert [round(linear.at(t), 9) for t in range(8)] == [
        0.1, 0.09, 0.08, 0.07, 0.06, 0.05, 0.05, 0.05,
    ]  # fmt: skip
    exponential = LearningRate(0.1, decay_rate=0.5, decay_type=DecayType.EXPONENTIAL)
    assert exponential.at(4) == pytest.approx(0.1 * math.exp(-2))
    assert LearningRate(0.1).at(10**9) == 0.1


@given(scale=st.floats(1e-3, 1e3))
def test_the_first_step_of_adam_is_the_learning_rate_however_large_the_gradient(
    scale: float,
) -> None:
    weight = torch.zeros(5, dtype=torch.float64)
    weight.grad = scale * torch.tensor([1.0, -1, 2, -3, 4], dtype=torch.float64)
    Adam([weight], rate=LearningRate(0.01)).step()
    assert torch.allclose(weight, -0.01 * weight.grad.sign(), rtol=1e-4)


@given(scale=st.floats(0.1, 1e3))
def test_the_scale_of_all_gradients_does_not_matter_to_adaptive_methods(scale: float) -> None:
    for kind in (Adam, RMSProp, Adagrad):
        ends = []
        for factor in (1.0, scale):
            weight = torch.ones(3, dtype=torch.float64)
            stepper = kind([weight], rate=LearningRate(0.01))
            for step in range(5):
                weight.grad = factor * torch.tensor([1.0, -2.0, 0.5 + step], dtype=torch.float64)
                stepper.step()
            ends.append(weight)
        assert torch.allclose(ends[0], ends[1], atol=1e-6)


def test_adadelta_walks_downhill_without_a_learning_rate() -> None:
    weight = torch.full((3,), 2.0, requires_grad=True)
    stepper = Adadelta([weight], epsilon=1e-3)
    for _ in range(400):
        stepper.zero_grad()
        (weight**2).sum().backward()  # type: ignore[no-untyped-call]
        stepper.step()
    assert float(weight.detach().abs().max()) < 0.5
