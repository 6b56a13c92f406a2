"""Methods: how gradients become steps, each as its paper has it.

All run on whole lists of tensors at once (``torch._foreach_*``, the calls that torch's own
optimizers make), so that an iteration of a small network is not lost in small calls.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from ganforge.wire.config import DecayType, LearnConfig, Method


class LearningRate:
    """The learning rate of step t, counted from 0.

    LINEAR: rate - decayRate * t; EXPONENTIAL: rate * exp(-decayRate * t); never below
    minLearningRate.

    Args:
        rate: the first rate.
        decay_rate: how fast it falls; None keeps it.
        decay_type: how it falls; LINEAR when not given.
        minimum: where it stops falling.
    """

    def __init__(
        self,
        rate: float,
        *,
        decay_rate: float | None = None,
        decay_type: DecayType | None = None,
        minimum: float | None = None,
    ) -> None:
        self._rate = rate
        self._decay_rate = decay_rate
        self._is_linear = decay_type is not DecayType.EXPONENTIAL
        self._minimum = minimum or 0.0

    def at(self, step: int) -> float:
        """Give the rate of one step."""
        if not self._decay_rate:
            return self._rate
        if self._is_linear:
            rate = self._rate - self._decay_rate * step
        else:
            rate = self._rate * math.exp(-self._decay_rate * step)
        return max(rate, self._minimum)


class Stepper(ABC):
    """Steps parameters along their gradients.

    Args:
        parameters: what is stepped; all on one device.
        l2: weight decay: l2 * w is added to the gradient of w.
    """

    slots: tuple[str, ...] = ()
    """Names of the running averages: one tensor for each parameter in each."""

    def __init__(self, parameters: Iterable[Tensor], *, l2: float = 0.0) -> None:
        self._parameters = list(parameters)
        self._l2 = l2
        self._steps = 0
        self._slots = {
            name: [torch.zeros_like(parameter) for parameter in self._parameters]
            for name in self.slots
        }

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Step every parameter once; one that took no part has a gradient of zero."""
        gradients = [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            for parameter in self._parameters
        ]
        if self._l2:
            gradients = list(torch._foreach_add(gradients, self._parameters, alpha=self._l2))
        self._step(gradients, **self._slots)
        self._steps += 1

    @abstractmethod
    def _step(self, gradients: list[Tensor], **slots: list[Tensor]) -> None:
        """Step the parameters and move the slots on."""

    def state_dict(self) -> dict[str, Any]:
        """Give the running averages and the number of steps."""
        return {"steps": self._steps, "slots": {name: list(s) for name, s in self._slots.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._steps = int(state["steps"])
        for name, own in self._slots.items():
            for tensor, saved in zip(own, state["slots"][name], strict=True):
                tensor.copy_(saved)


class SGD(Stepper):
    """w <- w - lr g, as DIANNE has it.

    With momentum mu (Polyak 1964): v <- mu v - lr g; w <- w + v. With Nesterov's (Sutskever et
    al. 2013, eq. 3-4, in the parameters at which the gradient was taken):
    v <- mu v - lr g; w <- w + mu v - lr g.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        rate: LearningRate,
        momentum: float = 0.0,
        is_nesterov: bool = False,
        l2: float = 0.0,
    ) -> None:
        self.slots = ("velocity",) if momentum else ()
        super().__init__(parameters, l2=l2)
        self._rate = rate
        self._momentum = momentum
        self._is_nesterov = is_nesterov

    def _step(self, gradients: list[Tensor], **slots: list[Tensor]) -> None:
        rate = self._rate.at(self._steps)
        if not self._momentum:
            torch._foreach_add_(self._parameters, gradients, alpha=-rate)
            return
        velocity = slots["velocity"]
        torch._foreach_mul_(velocity, self._momentum)
        torch._foreach_add_(velocity, gradients, alpha=-rate)
        if self._is_nesterov:
            torch._foreach_add_(self._parameters, velocity, alpha=self._momentum)
            torch._foreach_add_(self._parameters, gradients, alpha=-rate)
        else:
            torch._foreach_add_(self._parameters, velocity)


class Adam(Stepper):
    """Adam (Kingma and Ba 2015, algorithm 1)."""

    slots = ("mean", "square")

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        rate: LearningRate,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        l2: float = 0.0,
    ) -> None:
        super().__init__(parameters, l2=l2)
        self._rate, self._beta1, self._beta2 = rate, beta1, beta2
        self._epsilon = epsilon

    def _step(self, gradients: list[Tensor], **slots: list[Tensor]) -> None:
        mean, square = slots["mean"], slots["square"]
        torch._foreach_lerp_(mean, gradients, 1 - self._beta1)
        torch._foreach_mul_(square, self._beta2)
        torch._foreach_addcmul_(square, gradients, gradients, 1 - self._beta2)
        t = self._steps + 1
        root = torch._foreach_sqrt(square)
        torch._foreach_div_(root, math.sqrt(1 - self._beta2**t))
        torch._foreach_add_(root, self._epsilon)
        step = -self._rate.at(self._steps) / (1 - self._beta1**t)
        torch._foreach_addcdiv_(self._parameters, mean, root, step)


class RMSProp(Stepper):
    """RMSProp (Tieleman and Hinton 2012, lecture 6.5): divide by a running root mean square."""

    slots = ("square",)

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        rate: LearningRate,
        decay_rate: float = 0.9,
        epsilon: float = 1e-8,
        l2: float = 0.0,
    ) -> None:
        super().__init__(parameters, l2=l2)
        self._rate, self._decay_rate, self._epsilon = rate, decay_rate, epsilon

    def _step(self, gradients: list[Tensor], **slots: list[Tensor]) -> None:
        square = slots["square"]
        torch._foreach_mul_(square, self._decay_rate)
        torch._foreach_addcmul_(square, gradients, gradients, 1 - self._decay_rate)
        root = torch._foreach_sqrt(square)
        torch._foreach_add_(root, self._epsilon)
        torch._foreach_addcdiv_(self._parameters, gradients, root, -self._rate.at(self._steps))


class Adagrad(Stepper):
    """Adagrad (Duchi et al. 2011, section 1.1): divide by the root of the sum of squares."""

    slots = ("square",)

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        rate: LearningRate,
        epsilon: float = 1e-8,
        l2: float = 0.0,
    ) -> None:
        super().__init__(parameters, l2=l2)
        self._rate, self._epsilon = rate, epsilon

    def _step(self, gradients: list[Tensor], **slots: list[Tensor]) -> None:
        square = slots["square"]
        torch._foreach_addcmul_(square, gradients, gradients)
        root = torch._foreach_sqrt(square)
        torch._foreach_add_(root, self._epsilon)
        torch._foreach_addcdiv_(self._parameters, gradients, root, -self._rate.at(self._steps))


class Adadelta(Stepper):
    """Adadelta (Zeiler 2012, algorithm 1): no learning rate; the units come out right."""

    slots = ("square", "delta")

    def __init__(
        self,
        parameters: Iterable[Tensor],
        *,
        decay_rate: float = 0.95,
        epsilon: float = 1e-6,
        l2: float = 0.0,
    ) -> None:
        super().__init__(parameters, l2=l2)
        self._decay_rate, self._epsilon = decay_rate, epsilon

    def _step(self, gradients: list[Tensor], **slots: list[Tensor]) -> None:
        square, delta = slots["square"], slots["delta"]
        torch._foreach_mul_(square, self._decay_rate)
        torch._foreach_addcmul_(square, gradients, gradients, 1 - self._decay_rate)
        change = torch._foreach_sqrt(torch._foreach_add(delta, self._epsilon))
        torch._foreach_div_(change, torch._foreach_sqrt(torch._foreach_add(square, self._epsilon)))
        torch._foreach_mul_(change, gradients)
        torch._foreach_mul_(delta, self._decay_rate)
        torch._foreach_addcmul_(delta, change, change, 1 - self._decay_rate)
        torch._foreach_add_(self._parameters, change, alpha=-1)


DEFAULT_RATES = {Method.SGD: 0.01, Method.ADAM: 0.001, Method.RMSPROP: 0.001, Method.ADAGRAD: 0.01}


def make_stepper(
    config: LearnConfig, parameters: Iterable[Tensor], *, learning_rate: float | None = None
) -> Stepper:
    """Make the stepper that a job's config asks for; keys that it leaves out take the defaults.

    Args:
        config: the job's keys.
        parameters: what is stepped.
        learning_rate: goes before the config's own.
    """
    method, l2 = config.method, config.l2
    epsilon = {} if config.epsilon is None else {"epsilon": config.epsilon}
    # For RMSPROP and ADADELTA, decayRate is that of their averages, as in DIANNE.
    average = {} if config.decay_rate is None else {"decay_rate": config.decay_rate}
    if method is Method.ADADELTA:
        return Adadelta(parameters, l2=l2, **average, **epsilon)
    given = config.learning_rate if learning_rate is None else learning_rate
    first = DEFAULT_RATES[method] if given is None else given
    if method is Method.RMSPROP:
        return RMSProp(parameters, rate=LearningRate(first), l2=l2, **average, **epsilon)
    rate = LearningRate(
        first,
        decay_rate=config.decay_rate,
        decay_type=config.decay_type,
        minimum=config.min_learning_rate,
    )
    if method is Method.ADAM:
        betas = {"beta1": config.beta1, "beta2": config.beta2}
        return Adam(parameters, rate=rate, l2=l2, **betas, **epsilon)
    if method is Method.ADAGRAD:
        return Adagrad(parameters, rate=rate, l2=l2, **epsilon)
    return SGD(
        parameters,
        rate=rate,
        momentum=config.nesterov or config.momentum,
        is_nesterov=bool(config.nesterov),
        l2=l2,
    )
