"""DiffAugment: changed images for the discriminator, through which gradients flow.

Zhao et al. 2020, section 4.1. A policy changes each sample of a minibatch by numbers of its own,
the same for all of its channels.

Shapes: N batch, C channels, H height, W width.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from ganforge.wire.strategies import Augmentation

SHIFT = 1 / 8
"""TRANSLATION: the furthest shift, as a share of the side."""

CUT = 1 / 2
"""CUTOUT: the side of the square that is blanked, as a share of the image's."""


class Augmenter:
    """Applies policies, one after the other.

    Args:
        policies: which, in their order.
        stream: the random stream to draw from, on the samples' device.
    """

    def __init__(self, policies: Iterable[Augmentation], stream: torch.Generator) -> None:
        self._policies = tuple(policies)
        self._stream = stream

    def __call__(self, images_NCHW: Tensor) -> Tensor:
        """Change images; draws nothing when there is no policy."""
        for policy in self._policies:
            images_NCHW = _POLICIES[policy](images_NCHW, self._stream)
        return images_NCHW


def change_colors(images_NCHW: Tensor, stream: torch.Generator) -> Tensor:
    """Change brightness by -0.5 to 0.5, saturation by 0 to 2 times, contrast by 0.5 to 1.5."""
    brightness, saturation, contrast = _uniform(3, images_NCHW, stream)
    images = images_NCHW + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    middle = images.mean(dim=(1, 2, 3), keepdim=True)
    changed: Tensor = middle + (images - middle) * (contrast + 0.5)
    return changed


def translate(images_NCHW: Tensor, stream: torch.Generator) -> Tensor:
    """Shift by up to an eighth of each side; what comes in is 0."""
    sizes = images_NCHW.shape[2:]
    furthest = [round(size * SHIFT) for size in sizes]
    down, right = (
        _whole(-most, most, images_NCHW, stream).view(-1, 1) + _places(size, images_NCHW)
        for most, size in zip(furthest, sizes, strict=True)
    )
    inside = _within(down, sizes[0]).unsqueeze(2) & _within(right, sizes[1]).unsqueeze(1)
    rows = down.clamp(0, sizes[0] - 1)[:, None, :, None].expand(-1, *images_NCHW.shape[1:])
    columns = right.clamp(0, sizes[1] - 1)[:, None, None, :].expand(-1, *images_NCHW.shape[1:])
    moved = images_NCHW.gather(2, rows).gather(3, columns)
    return moved * inside.unsqueeze(1)


def cut_out(images_NCHW: Tensor, stream: torch.Generator) -> Tensor:
    """Blank a square of half of each side, centred anywhere; it may reach over the border."""
    blank_NHW = torch.ones((), dtype=torch.bool, device=images_NCHW.device)
    for dim, size in enumerate(images_NCHW.shape[2:], start=1):
        side = round(size * CUT)
        first = _whole(-(side // 2), size - 1 - side // 2 + (1 - side % 2), images_NCHW, stream)
        from_first = _places(size, images_NCHW) - first.view(-1, 1)
        blank_NHW = blank_NHW & _within(from_first, side).unsqueeze(3 - dim)
    return images_NCHW * ~blank_NHW.unsqueeze(1)


def _uniform(count: int, like_NCHW: Tensor, stream: torch.Generator) -> Tensor:
    """Draw ``count`` numbers from U(0, 1) for each sample, shape (count, N, 1, 1, 1)."""
    shape = (count, len(like_NCHW), 1, 1, 1)
    return torch.rand(shape, generator=stream, device=like_NCHW.device, dtype=like_NCHW.dtype)


def _whole(lowest: int, highest: int, like_NCHW: Tensor, stream: torch.Generator) -> Tensor:
    """Draw a whole number for each sample, both ends included, shape (N)."""
    shape = (len(like_NCHW),)
    return torch.randint(lowest, highest + 1, shape, generator=stream, device=like_NCHW.device)


def _places(size: int, like_NCHW: Tensor) -> Tensor:
    return torch.arange(size, device=like_NCHW.device)


def _within(places: Tensor, size: int) -> Tensor:
    return (places >= 0) & (places < size)


_POLICIES = {
    Augmentation.COLOR: change_colors,
    Augmentation.TRANSLATION: translate,
    Augmentation.CUTOUT: cut_out,
}
