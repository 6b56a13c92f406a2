"""The modules that torch has not.

Shapes: N batch, C features or channels, ... height and width, where there are any.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


class TakesClasses(nn.Module):
    """A module whose ``forward`` takes samples and their classes, int64 of shape (N)."""


class ConditionalNetwork(nn.Sequential):
    """Modules one after the other, of which some look at the samples' classes."""

    def forward(self, samples: Tensor, classes: Tensor) -> Tensor:  # type: ignore[override]
        """Pass samples through.

        Args:
            samples: shape (N, *input).
            classes: which class each sample is of, from 0; int64, shape (N).
        """
        for module in self:
            takes_classes = isinstance(module, TakesClasses)
            samples = module(samples, classes) if takes_classes else module(samples)
        return samples


class Residual(nn.Module):
    """``shortcut(x) + scale * body(x)``."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Sequential, scale: float) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Give the sum."""
        return torch.add(self.shortcut(x), self.body(x), alpha=self.scale)


class Concat(nn.Module):
    """What each branch gives, one behind the other by features or channels."""

    def __init__(self, branches: Sequence[nn.Sequential]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Give all of it."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class GlobalAvgPool(nn.Module):
    """The mean of each channel: (N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Give the means."""
        return x.mean(dim=(2, 3))


class PixelNorm(nn.Module):
    """Features or channels over the root of their mean square (Karras et al. 2018, 4.2)."""

    def forward(self, x: Tensor) -> Tensor:
        """Give as many numbers as came."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


class MinibatchStd(nn.Module):
    """One more feature or channel that tells how much the minibatch varies.

    The standard deviation of each number over the minibatch, averaged to one number (Karras et
    al. 2018, section 3); (N, C, ...) to (N, C + 1, ...).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Give the samples with the number behind them."""
        # The root's gradient is infinite at 0, where a minibatch of one or a collapsed one is.
        spread = (x.var(dim=0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat((x, spread.expand(len(x), 1, *x.shape[2:])), dim=1)


class EmbedClass(TakesClasses):
    """Learnt numbers for each sample's class, behind its features or as constant channels."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, features)

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        """Give (N, C + features, ...)."""
        told: Tensor = self.embedding(classes)
        planes = told.reshape(*told.shape, *(1,) * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        return torch.cat((x, planes), dim=1)


class ConditionalBatchNorm(TakesClasses):
    """Batch normalisation with weights for each class (Dumoulin et al. 2017)."""

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, classes: int) -> None:
        super().__init__()
        self.norm = norm
        self.gain = nn.Embedding(classes, norm.num_features)
        self.bias = nn.Embedding(classes, norm.num_features)

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        """Give as many numbers as came."""
        shape = (*x.shape[:2], *(1,) * (x.dim() - 2))
        gain, bias = self.gain(classes).reshape(shape), self.bias(classes).reshape(shape)
        return torch.addcmul(bias, gain, self.norm(x))


class Projection(TakesClasses):
    """linear(phi) + <embedding(y), phi> (Miyato and Koyama 2018, equation 3)."""

    def __init__(self, features: int, classes: int, *, spectral: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.embedding = nn.Embedding(classes, features)
        if spectral:
            spectral_norm(self.linear)
            spectral_norm(self.embedding)

    def forward(self, x: Tensor, classes: Tensor) -> Tensor:
        """Give (N, 1)."""
        told: Tensor = self.linear(x) + (self.embedding(classes) * x).sum(dim=1, keepdim=True)
        return told
