"""One network's way down its loss: which parameters are learnt, and how they step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ganforge.wire.strategies import AdversarialConfig
from ganforge_learner.methods import make_stepper


class Descent:
    """Steps a network down a loss.

    Args:
        network: its parameters are learnt, save those that ask for no gradients; one without any
            left is never stepped.
        config: gives the method and ``clipGradient``.
        learning_rate: the network's own; None takes the config's.
    """

    def __init__(
        self, network: torch.nn.Module, config: AdversarialConfig, *, learning_rate: float | None
    ) -> None:
        self.parameters: list[Tensor] = [p for p in network.parameters() if p.requires_grad]
        self._stepper = make_stepper(config, self.parameters, learning_rate=learning_rate)
        self._largest_norm = config.clip_gradient

    def step_down(self, loss: Tensor) -> None:
        """Step once along the loss's gradient."""
        if not self.parameters:
            return
        self._stepper.zero_grad()
        loss.backward(inputs=self.parameters)  # type: ignore[no-untyped-call]
        if self._largest_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self._largest_norm)
        self._stepper.step()

    @torch.no_grad()
    def clamp(self, largest: float) -> None:
        """Bring what is learnt within -largest and largest."""
        if self.parameters:
            torch._foreach_clamp_max_(self.parameters, largest)
            torch._foreach_clamp_min_(self.parameters, -largest)

    def ask_gradients(self, asked: bool) -> None:
        """Let what is learnt ask for gradients, or not."""
        for parameter in self.parameters:
            parameter.requires_grad_(asked)

    def state_dict(self) -> dict[str, Any]:
        """Give the method's averages and the number of steps."""
        return self._stepper.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._stepper.load_state_dict(state)
