"""The moving average of a network's weights: a network of its own."""

import copy

import torch
from torch import Tensor, nn


class Average:
    """Follows a network's weights: a <- d a + (1 - d) w after each of its steps.

    The t-th step, counted from 0, takes d = min(decay, (1 + t) / (10 + t)), so that the first
    weights are soon forgotten: after 90 steps d is 0.91, after 9,000 it is 0.999. What is no
    parameter, such as BatchNorm's statistics, is copied.

    Args:
        network: what is followed.
        decay: how much of the average is kept at a step, in the end; in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self._decay = decay
        self.steps = 0
        self._own: list[Tensor] = list(self.network.parameters())
        self._followed: list[Tensor] = list(network.parameters())
        self._buffers = list(zip(self.network.buffers(), network.buffers(), strict=True))

    @torch.no_grad()
    def follow(self) -> None:
        """Take in the weights after a step."""
        kept = min(self._decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self._own, self._followed, 1 - kept)
        for own, followed in self._buffers:
            own.copy_(followed)
        self.steps += 1
