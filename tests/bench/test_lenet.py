"""LeNet, the benchmarks' second judge, on images whose class is where they are bright."""

import pytest
import torch
from torch import Tensor

from bench.lenet import LeNet

COUNT = 500


def pictures(seed: int) -> tuple[Tensor, Tensor]:
    """Draw noisy images of ten classes, and the classes."""
    generator = torch.Generator().manual_seed(seed)
    classes_N = torch.arange(COUNT) % 10
    images_NCHW = torch.randn(COUNT, 1, 28, 28, generator=generator) * 0.1 - 0.8
    for image_CHW, kind in zip(images_NCHW, classes_N.tolist(), strict=True):
        row, column = 14 * (kind // 5), 5 * (kind % 5)
        image_CHW[:, row : row + 12, column : column + 6] += 1.5
    return images_NCHW, classes_N


@pytest.fixture(scope="module")
def lenet() -> LeNet:
    return LeNet(*pictures(0), seed=1)


def test_it_learns_four_fifths_of_the_images_and_is_right_about_the_rest(lenet: LeNet) -> None:
    assert lenet.samples == COUNT * 4 // 5
    assert lenet.accuracy > 0.9


def test_new_images_like_the_real_ones_are_nearer_than_half_of_the_classes(lenet: LeNet) -> None:
    images_NCHW, classes_N = pictures(5)
    alike = lenet.distance(images_NCHW)
    half = lenet.distance(images_NCHW[classes_N < 5])
    blank = lenet.distance(torch.full_like(images_NCHW, -1.0))
    assert max(alike, lenet.floor) < half < blank


def test_a_seed_gives_the_same_judge_again_and_another_seed_another(lenet: LeNet) -> None:
    images_NCHW, _ = pictures(5)
    again, other = (LeNet(*pictures(0), seed=seed).distance(images_NCHW) for seed in (1, 2))
    assert again == lenet.distance(images_NCHW)
    assert other != again
