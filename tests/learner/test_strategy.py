"""What every learning strategy gets from its base class."""

import torch
from torch import nn

from ganforge_learner.strategy import in_use
from tests.learner.gans import perceptrons, trained


def test_a_strategy_keeps_no_averages_unless_it_says_so() -> None:
    assert dict(trained(0).averages) == {}


def test_samples_may_be_drawn_from_another_network_than_the_generator() -> None:
    strategy = trained(2)
    other, _ = perceptrons(seed=9)
    latents = strategy.grid_latents(4, 0)
    drawn = strategy.draw_samples(latents, other)
    with torch.no_grad():
        assert torch.equal(drawn, other(latents))
    assert not torch.equal(drawn, strategy.draw_samples(latents))


def test_every_module_trains_again_after_use_that_trained_before() -> None:
    frozen = nn.BatchNorm1d(2).eval()
    network = nn.Sequential(nn.Dropout(), nn.Sequential(frozen, nn.ReLU()))
    before = [module.training for module in network.modules()]
    with in_use(network):
        assert not any(module.training for module in network.modules())
    assert [module.training for module in network.modules()] == before
    assert before.count(False) == 1
