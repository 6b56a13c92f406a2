"""Every figure gives the answer that was worked out by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ganforge_learner.quality.classes import (
    class_kl,
    class_shares,
    classes_covered,
    classifier_score,
)
from ganforge_learner.quality.copies import copy_distance, near_copies
from ganforge_learner.quality.frechet import frechet_distance, gaussian_distance, moments
from ganforge_learner.quality.neighbours import BLOCK, nearest, radii
from ganforge_learner.quality.prdc import Prdc, prdc
from ganforge_learner.quality.wasserstein import draw_directions, sliced_wasserstein


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(*numbers: float) -> torch.Tensor:
    """Points on a line."""
    return torch.tensor(numbers, dtype=torch.float64).unsqueeze(1)


def test_gaussians_of_one_shape_are_as_far_apart_as_their_means() -> None:
    cov = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    zero, mean = torch.zeros(2, dtype=torch.float64), torch.tensor([3.0, 4.0]).double()

    assert gaussian_distance(zero, cov, mean, cov) == pytest.approx(25.0)
    assert gaussian_distance(zero, cov, zero, cov) == pytest.approx(0.0, abs=1e-12)


def test_gaussians_along_the_axes_differ_by_their_deviations() -> None:
    zero = torch.zeros(2, dtype=torch.float64)
    one, other = torch.diag(torch.tensor([1.0, 9.0])), torch.diag(torch.tensor([4.0, 0.0]))

    # (1 - 2)^2 + (3 - 0)^2
    assert gaussian_distance(zero, one.double(), zero, other.double()) == pytest.approx(10.0)


def test_covariances_that_do_not_commute_have_the_distance_worked_out_by_hand() -> None:
    zero = torch.zeros(2, dtype=torch.float64)
    one = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    other = torch.tensor([[1.0, 0.0], [0.0, 4.0]], dtype=torch.float64)

    # Of 2 x 2 matrices tr (AB)^(1/2) = (tr AB + 2 (det AB)^(1/2))^(1/2); tr AB = 10, det AB = 12.
    wanted = 4 + 5 - 2 * math.sqrt(10 + 2 * math.sqrt(12))
    assert gaussian_distance(zero, one, zero, other) == pytest.approx(wanted)
    assert gaussian_distance(zero, other, zero, one) == pytest.approx(wanted)


def test_the_distance_is_that_of_the_samples_moments() -> None:
    square = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    mean, cov = moments(square)

    assert mean.tolist() == [1.0, 1.0]
    assert torch.allclose(cov, torch.eye(2, dtype=torch.float64) * 4 / 3)
    assert frechet_distance(square, square + 1) == pytest.approx(2.0)
    # Deviations of 2/sqrt(3) against twice as much, in two directions.
    assert frechet_distance(square - 1, 2 * (square - 1)) == pytest.approx(8 / 3)


def test_features_fewer_than_needed_for_a_full_covariance_still_have_a_distance() -> None:
    few = torch.randn(5, 84, generator=generator())

    assert frechet_distance(few, few) == pytest.approx(0.0, abs=1e-5)
    assert frechet_distance(few, few + 1) == pytest.approx(84.0, rel=1e-6)


@given(st.integers(0, 1000))
def test_a_turn_of_both_sets_leaves_the_distance_as_it_is(seed: int) -> None:
    one, other = torch.randn(2, 40, 6, generator=generator(seed), dtype=torch.float64)
    other = other * torch.arange(1, 7) + 0.5
    turn, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator(seed), dtype=torch.float64))

    turned = frechet_distance(one @ turn, other @ turn)
    assert turned == pytest.approx(frechet_distance(one, other), rel=1e-6)


def test_radii_and_nearest_neighbours_on_a_line() -> None:
    assert radii(points(0, 1, 3, 7), 1).tolist() == [1, 1, 2, 4]
    assert radii(points(0, 1, 3, 7), 2).tolist() == [3, 2, 3, 6]
    assert nearest(points(0, 5), points(1, 7)).tolist() == [1, 2]
    assert nearest(points(1, 7), points(1, 3, 7), rank=2).tolist() == [2, 4]
    with pytest.raises(ValueError, match="k is 4"):
        radii(points(0, 1, 3, 7), 4)


def test_blocks_are_put_together_in_order() -> None:
    line = torch.arange(2 * BLOCK + 3, dtype=torch.float64).square().unsqueeze(1)

    apart = (line - line.T).abs() + torch.diag(torch.full((len(line),), torch.inf))
    assert torch.allclose(radii(line, 1), apart.min(1).values, atol=1e-2)
    far = torch.tensor([[1e4], [-5.0]], dtype=torch.float64)
    assert torch.allclose(nearest(line, far), (line - far.T).abs().min(1).values)


def test_prdc_of_points_on_a_line_is_what_counting_gives() -> None:
    real, fake = points(0, 1, 2, 10), points(0.5, 1.5, 30)

    # k = 1: real balls reach 1, 1, 1, 8; fake ones 1, 1, 28.5.
    # 0.5 lies in the balls of 0 and 1; 1.5 in those of 1 and 2; 30 in none.
    # 0 and 1 lie in the ball of 0.5, 1 and 2 in that of 1.5, and 2 and 10 in that of 30.
    assert prdc(real, fake, k=1) == Prdc(precision=2 / 3, recall=1.0, density=4 / 3, coverage=3 / 4)


def test_a_generator_that_draws_one_picture_has_precision_and_no_recall() -> None:
    real = torch.randn(50, 3, generator=generator())
    collapsed = prdc(real, real[:1].repeat(20, 1), k=5)

    assert collapsed.precision == 1.0
    assert collapsed.recall == pytest.approx(1 / 50)
    assert collapsed.coverage < 0.5


def test_sets_far_apart_share_nothing_and_a_set_shares_all_with_itself() -> None:
    real = torch.randn(30, 4, generator=generator())

    assert prdc(real, real + 100) == Prdc(0.0, 0.0, 0.0, 0.0)
    same = prdc(real, real)
    assert (same.precision, same.recall, same.coverage) == (1.0, 1.0, 1.0)


def test_shares_coverage_and_kl_of_classes() -> None:
    real = class_shares(torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]), 5)
    drawn = class_shares(torch.tensor([0] * 79 + [1] + [2] * 20), 5)

    assert real.tolist() == [0.25, 0.25, 0.25, 0.25, 0.0]
    # A tenth of 0.25 is 0.025: 0.01 of class 1 is too little, and class 4 is not in the data.
    assert classes_covered(drawn, real) == 2
    assert classes_covered(real, real) == 4
    one = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0])
    assert class_kl(one, real) == pytest.approx(math.log(4))
    assert class_kl(real, real) == 0.0
    halves = torch.tensor([0.5, 0.5])
    assert class_kl(torch.tensor([0.75, 0.25]), halves) == pytest.approx(
        0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    )


def test_the_classifier_score_goes_from_one_to_the_number_of_classes() -> None:
    sure = torch.eye(4).repeat(5, 1)

    assert classifier_score(sure) == pytest.approx(4.0)
    assert classifier_score(torch.full((8, 4), 0.25)) == pytest.approx(1.0)
    assert classifier_score(sure[:1].repeat(9, 1)) == pytest.approx(1.0)
    assert classifier_score(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])) == pytest.approx(2.0)


def test_exact_copies_all_count_and_fresh_images_hardly() -> None:
    images = torch.randn(600, 64, generator=generator()) * 5
    fresh = torch.randn(400, 64, generator=generator(1)) * 5
    distance = copy_distance(images, images)

    assert near_copies(images[:100], images, distance) == 1.0
    assert near_copies(images[:100] + 0.001, images, distance) == 1.0
    assert near_copies(images, images, distance, rank=2) == pytest.approx(0.01, abs=0.005)
    assert near_copies(fresh, images, distance) < 0.05
    assert near_copies(torch.cat([fresh[:30], images[:10]]), images, distance) >= 0.25


def test_the_sliced_wasserstein_distance_of_a_shift_is_its_mean_square_along_the_lines() -> None:
    image = torch.randn(50, 2, generator=generator())
    along_x = torch.tensor([[1.0], [0.0]])

    assert sliced_wasserstein(image, image.flip(0), along_x) == pytest.approx(0.0)
    assert sliced_wasserstein(image, image + torch.tensor([3.0, 9.0]), along_x) == pytest.approx(3)
    directions = draw_directions(2, generator(), count=4000)
    assert torch.allclose(directions.norm(dim=0), torch.ones(4000))
    # The mean square of a unit vector's cosine is a half, in the plane.
    shifted = image + torch.tensor([3.0, 0.0])
    assert sliced_wasserstein(image, shifted, directions) == pytest.approx(
        3 / math.sqrt(2), rel=0.03
    )
