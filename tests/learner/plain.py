"""The GAN iteration in plain numpy, float64 and without autograd, for tests to compare with.

Transcribed from the description of one GAN iteration and from each method's paper; shares no code
with the learner.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Array = npt.NDArray[np.float64]
Update = Callable[[Array, Array, int], Array]
"""Gives a parameter's next value from its value, its gradient and the step, counted from 0."""


class PlainNetwork:
    """A perceptron with its backward pass written by hand.

    Args:
        network: gives the modules and the first weights.
    """

    def __init__(self, network: nn.Sequential) -> None:
        self._kinds = list(network)
        self.parameters = [
            parameter.detach().double().numpy().copy() for parameter in network.parameters()
        ]
        self.gradients = [np.zeros_like(parameter) for parameter in self.parameters]
        self._kept: list[Array] = []

    def forward(self, x: Array) -> Array:
        """Pass a batch through, and keep what backward needs."""
        self._kept = []
        parameters = iter(self.parameters)
        for kind in self._kinds:
            match kind:
                case nn.Linear():
                    self._kept.append(x)
                    weight, bias = next(parameters), next(parameters)
                    x = x @ weight.T + bias
                case nn.ReLU():
                    self._kept.append(x)
                    x = np.maximum(x, 0.0)
                case nn.LeakyReLU():
                    self._kept.append(x)
                    x = np.where(x > 0, x, kind.negative_slope * x)
                case nn.Tanh():
                    x = np.tanh(x)
                    self._kept.append(x)
                case nn.Sigmoid():
                    x = 1.0 / (1.0 + np.exp(-x))
                    self._kept.append(x)
                case nn.Flatten():
                    self._kept.append(x)
                    x = x.reshape(len(x), -1)
                case nn.Unflatten():
                    self._kept.append(x)
                    x = x.reshape(len(x), *kind.unflattened_size)
                case _:
                    raise AssertionError(f"not transcribed: {kind}")
        return x

    def backward(self, slope: Array) -> Array:
        """Add the gradients to ``gradients``, and give that of the input."""
        place = len(self.parameters)
        for kind, kept in zip(reversed(self._kinds), reversed(self._kept), strict=True):
            match kind:
                case nn.Linear():
                    place -= 2
                    self.gradients[place] += slope.T @ kept
                    self.gradients[place + 1] += slope.sum(axis=0)
                    slope = slope @ self.parameters[place]
                case nn.ReLU():
                    slope = slope * (kept > 0)
                case nn.LeakyReLU():
                    slope = slope * np.where(kept > 0, 1.0, kind.negative_slope)
                case nn.Tanh():
                    slope = slope * (1.0 - kept**2)
                case nn.Sigmoid():
                    slope = slope * kept * (1.0 - kept)
                case _:  # Flatten, Unflatten
                    slope = slope.reshape(kept.shape)
        return slope

    def forget_gradients(self) -> None:
        for gradient in self.gradients:
            gradient.fill(0.0)


def cross_entropy(p: Array, target: float) -> tuple[float, Array]:
    """Mean binary cross-entropy, and its slope; p is kept off 0 and 1, where the slope is 0."""
    kept = np.clip(p, 1e-12, 1.0 - 1e-7)
    loss = -np.mean(target * np.log(kept) + (1.0 - target) * np.log(1.0 - kept))
    slope = (-target / kept + (1.0 - target) / (1.0 - kept)) / p.size
    return float(loss), np.where((p < 1e-12) | (p > 1.0 - 1e-7), 0.0, slope)


class PlainGAN:
    """Both networks and one update rule for each of their parameters.

    Args:
        generator: a perceptron.
        discriminator: a perceptron that ends in a Sigmoid.
        make_update: makes a fresh update rule.
    """

    def __init__(
        self, generator: nn.Sequential, discriminator: nn.Sequential, make_update: Any
    ) -> None:
        self.generator, self.discriminator = PlainNetwork(generator), PlainNetwork(discriminator)
        self._updates: dict[int, list[Update]] = {
            id(network): [make_update() for _ in network.parameters]
            for network in (self.generator, self.discriminator)
        }
        self._i = 0

    def iterate(self, real: Array, first: Array, second: Array) -> tuple[float, float, float]:
        """Do one iteration with what was drawn; gives dLossReal, dLossFake and the loss."""
        self.generator.forget_gradients()
        self.discriminator.forget_gradients()
        loss_real = self._judge(real, 0.85)[0]
        loss_fake = self._judge(self.generator.forward(first), 0.15)[0]
        self._step(self.discriminator)
        loss, slope = self._judge(self.generator.forward(second), 0.85)
        self.generator.backward(slope)
        self._step(self.generator)
        self._i += 1
        return loss_real, loss_fake, loss

    def _judge(self, samples: Array, target: float) -> tuple[float, Array]:
        loss, slope = cross_entropy(self.discriminator.forward(samples), target)
        return loss, self.discriminator.backward(slope)

    def _step(self, network: PlainNetwork) -> None:
        for update, parameter, gradient in zip(
            self._updates[id(network)], network.parameters, network.gradients, strict=True
        ):
            parameter[...] = update(parameter, gradient, self._i)


def sgd(
    rate: Callable[[int], float], momentum: float = 0.0, nesterov: float = 0.0, l2: float = 0.0
) -> Callable[[], Update]:
    """v <- mu v - lr g; w <- w + v.

    Nesterov as in Sutskever et al. 2013, eq. 3-4: the gradient is taken at theta + mu v. That
    point is what the networks hold, so theta is found from it and given back as it.
    """

    def make() -> Update:
        v: Array | float = 0.0

        def update(w: Array, g: Array, t: int) -> Array:
            nonlocal v
            g = g + l2 * w
            if nesterov:
                theta = w - nesterov * v
                v = nesterov * v - rate(t) * g
                return theta + v + nesterov * v
            v = momentum * v - rate(t) * g
            return w + v

        return update

    return make


def adam(rate: float, beta1: float, beta2: float, epsilon: float = 1e-8) -> Callable[[], Update]:
    """Kingma and Ba 2015, algorithm 1."""

    def make() -> Update:
        m: Array | float = 0.0
        v: Array | float = 0.0

        def update(w: Array, g: Array, t: int) -> Array:
            nonlocal m, v
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            m_hat, v_hat = m / (1 - beta1 ** (t + 1)), v / (1 - beta2 ** (t + 1))
            return w - rate * m_hat / (np.sqrt(v_hat) + epsilon)

        return update

    return make


def rmsprop(rate: float, decay: float, epsilon: float = 1e-8) -> Callable[[], Update]:
    """Tieleman and Hinton 2012, lecture 6.5: MeanSquare(w, t) = 0.9 MeanSquare + 0.1 g^2."""

    def make() -> Update:
        square: Array | float = 0.0

        def update(w: Array, g: Array, t: int) -> Array:
            nonlocal square
            square = decay * square + (1 - decay) * g**2
            return w - rate * g / (np.sqrt(square) + epsilon)

        return update

    return make


def adagrad(rate: float, epsilon: float = 1e-8) -> Callable[[], Update]:
    """Duchi et al. 2011, section 1.1: diag(G)^(-1/2) scales the gradient."""

    def make() -> Update:
        total: Array | float = 0.0

        def update(w: Array, g: Array, t: int) -> Array:
            nonlocal total
            total = total + g**2
            return w - rate * g / (np.sqrt(total) + epsilon)

        return update

    return make


def adadelta(rho: float = 0.95, epsilon: float = 1e-6) -> Callable[[], Update]:
    """Zeiler 2012, algorithm 1; RMS[x] = sqrt(E[x^2] + epsilon)."""

    def make() -> Update:
        square: Array | float = 0.0
        delta: Array | float = 0.0

        def update(w: Array, g: Array, t: int) -> Array:
            nonlocal square, delta
            square = rho * square + (1 - rho) * g**2
            change = -np.sqrt(delta + epsilon) / np.sqrt(square + epsilon) * g
            delta = rho * delta + (1 - rho) * change**2
            return np.asarray(w + change, np.float64)

        return update

    return make


def constant(rate: float) -> Callable[[int], float]:
    return lambda t: rate


def linear(rate: float, decay: float, lowest: float = 0.0) -> Callable[[int], float]:
    return lambda t: max(lowest, rate - decay * t)


def exponential(rate: float, decay: float, lowest: float = 0.0) -> Callable[[int], float]:
    return lambda t: max(lowest, rate * math.exp(-decay * t))


def as_array(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().double().numpy()
    return array


def greatest_difference(network: nn.Module, plain: PlainNetwork) -> float:
    """Compare all parameters."""
    pairs = zip(network.parameters(), plain.parameters, strict=True)
    return max(float(np.abs(as_array(own) - other).max()) for own, other in pairs)


def drop_names(extra: Mapping[str, Any], *names: str) -> list[float]:
    return [float(extra[name]) for name in names]
