"""DiffAugment changes images as its paper says, each by numbers of its own, with gradients."""

import pytest
import torch
from torch import Tensor

from ganforge.wire.strategies import Augmentation
from ganforge_learner import streams
from ganforge_learner.augmentation import Augmenter, change_colors, cut_out, translate

N, SIDE = 300, 16


def stream(seed: int = 0) -> torch.Generator:
    return streams.stream(seed, "augmentation")


def test_a_translation_shifts_by_an_eighth_at_most_and_brings_in_zeros() -> None:
    images = torch.rand(N, 2, SIDE, SIDE, generator=stream(1)) + 1
    moved = translate(images, stream())
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    shifts = set()
    for image, whole in zip(moved, padded, strict=True):
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(whole[:, y : y + SIDE, x : x + SIDE], image)
        ]
        assert len(found) == 1
        shifts |= set(found)
    assert len(shifts) == 25


def test_a_cutout_blanks_a_square_of_half_the_side_centred_anywhere() -> None:
    left = cut_out(torch.ones(N, 3, SIDE, SIDE), stream())
    assert torch.equal(left[:, 0], left[:, 1])
    corners = set()
    for image in left[:, 0]:
        rows, columns = (image == 0).nonzero().T
        height, width = len(rows.unique()), len(columns.unique())
        assert int((image == 0).sum()) == height * width
        assert 4 <= height <= 8
        assert 4 <= width <= 8
        corners.add((int(rows.min()), int(columns.min())))
    assert len(corners) > 90
    assert {row for row, _ in corners} == set(range(13))


def test_colors_change_brightness_saturation_and_contrast() -> None:
    images = torch.rand(N, 3, SIDE, SIDE, generator=stream(1), dtype=torch.float64)
    changed = change_colors(images, stream())
    grey, grey_before = changed.mean(dim=1), images.mean(dim=1)
    brightness = changed.mean(dim=(1, 2, 3)) - images.mean(dim=(1, 2, 3))
    assert float(brightness.abs().max()) < 0.5
    assert float(brightness.max() - brightness.min()) > 0.95
    contrast = grey.flatten(1).std(dim=1) / grey_before.flatten(1).std(dim=1)
    assert 0.5 <= float(contrast.min()) < 0.55
    assert 1.45 < float(contrast.max()) <= 1.5
    color = (changed - grey.unsqueeze(1)).flatten(1).std(dim=1)
    saturation = color / (images - grey_before.unsqueeze(1)).flatten(1).std(dim=1) / contrast
    assert 0 <= float(saturation.min()) < 0.05
    assert 1.95 < float(saturation.max()) <= 2


@pytest.mark.parametrize("policy", Augmentation)
def test_gradients_flow_to_what_is_left_of_an_image(policy: Augmentation) -> None:
    images = torch.rand(4, 1, 8, 8, dtype=torch.float64, requires_grad=True)

    def change(given: Tensor) -> Tensor:
        return Augmenter([policy], stream())(given)

    assert torch.autograd.gradcheck(change, (images,))
    (slope,) = torch.autograd.grad(change(images).sum(), images)
    assert bool((slope.flatten(1).abs().sum(dim=1) > 0).all())


def test_policies_follow_each_other_and_none_draws_nothing() -> None:
    images = torch.rand(4, 1, 8, 8)
    drawn = stream()
    assert Augmenter([], drawn)(images) is images
    assert torch.equal(drawn.get_state(), stream().get_state())
    both = Augmenter([Augmentation.CUTOUT, Augmentation.COLOR], stream())(images)
    other = stream()
    assert torch.equal(both, change_colors(cut_out(images, other), other))
