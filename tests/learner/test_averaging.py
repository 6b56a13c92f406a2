"""The moving average follows its network by the formula it states."""

import pytest
import torch
from torch import nn

from ganforge_learner.averaging import Average


def test_it_follows_with_a_decay_that_grows_to_the_one_asked_for() -> None:
    network = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(network.weight, 5.0)
    average = Average(network, 0.3)
    wanted = 5.0
    for step, weight in enumerate([1.0, -2.0, 4.0, 0.5, 3.0]):
        nn.init.constant_(network.weight, weight)
        average.follow()
        kept = min(0.3, (1 + step) / (10 + step))
        wanted = kept * wanted + (1 - kept) * weight
        assert float(average.network.weight) == pytest.approx(wanted)  # type: ignore[arg-type]
    assert average.steps == 5


def test_what_is_no_parameter_is_copied() -> None:
    network = nn.BatchNorm1d(3)
    average = Average(network, 0.999)
    network(torch.randn(8, 3))
    average.follow()
    for own, followed in zip(average.network.buffers(), network.buffers(), strict=True):
        assert torch.equal(own, followed)
    assert int(network.num_batches_tracked) == 1  # type: ignore[arg-type]


def test_it_asks_for_no_gradients_and_leaves_its_network_alone() -> None:
    network = nn.Linear(2, 2)
    before = network.weight.detach().clone()
    average = Average(network, 0.9)
    average.follow()
    assert torch.equal(network.weight, before)
    assert network.weight.requires_grad
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert not average.network.training
