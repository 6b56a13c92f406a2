"""The collapse alarm: rings for samples that have become all alike, and for no others."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from ganforge.networks import BUILTIN
from ganforge.recipes import find_recipe
from ganforge_learner import streams
from ganforge_learner.collapse_alarm import (
    FAKES,
    LOOK_INTERVAL,
    NEVER,
    CollapseAlarm,
    Prototypes,
    Watch,
)
from ganforge_learner.datasets import load_dataset
from ganforge_learner.networks import build_network, initialise
from ganforge_learner.strategies import GANLearningStrategy

DIGITS = load_dataset("digits", Path())
NETWORKS = {definition.name: definition for definition in BUILTIN}
REAL = DIGITS.inputs.flatten(1)


def watched(*diversities: float, contrast: float = 0.6, spread: float = 0.2) -> list[bool]:
    """Tell after which looks the alarm rings; pale samples when not said otherwise."""
    watch, rings = Watch(), []
    for diversity in diversities:
        watch = watch.after(diversity, contrast=contrast, spread=spread)
        rings.append(watch.rings)
    return rings


def test_real_samples_are_as_diverse_as_real_samples() -> None:
    known = Prototypes.of(REAL)
    for drawn in torch.randperm(len(REAL))[: 10 * FAKES].view(10, FAKES):
        assert 0.8 < known.diversity(REAL[drawn]) < 1.2


def test_one_digit_noise_and_one_picture_are_not() -> None:
    known = Prototypes.of(REAL)
    assert DIGITS.targets is not None
    for digit in range(10):
        assert known.diversity(REAL[DIGITS.targets == digit][:FAKES]) < 0.4
    assert known.diversity(0.1 * torch.randn(FAKES, 64)) < 0.35
    assert known.diversity(REAL[:1].repeat(FAKES, 1)) == pytest.approx(1 / known.effective)


def test_the_fewer_digits_the_less_diverse() -> None:
    known = Prototypes.of(REAL)
    assert DIGITS.targets is not None
    found = [known.diversity(REAL[DIGITS.targets < count][:FAKES]) for count in (10, 6, 3, 1)]
    assert all(more > fewer for more, fewer in pairwise(found))


def test_what_is_not_finite_is_not_diverse() -> None:
    known = Prototypes.of(REAL)
    assert math.isnan(known.diversity(torch.full((FAKES, 64), torch.nan)))
    assert watched(0.9, 0.9, 0.9, *[math.nan] * 3)[-1]


def test_the_same_samples_give_the_same_prototypes() -> None:
    assert torch.equal(Prototypes.of(REAL).points_KP, Prototypes.of(REAL).points_KP)


def test_it_rings_at_the_third_low_look_in_a_row_and_stops_when_it_is_well_again() -> None:
    well = [0.1, 0.2, 0.6, 0.7, 0.7]
    assert not any(watched(*well))
    assert watched(*well, 0.2, 0.2, 0.2, 0.2, 0.5)[len(well) :] == [False, False, True, True, False]


def test_one_low_look_is_no_collapse() -> None:
    assert not any(watched(0.7, 0.7, 0.7, *[0.2, 0.2, 0.6] * 20))


def test_the_noise_of_the_beginning_is_no_collapse_but_noise_for_ever_is() -> None:
    rings = watched(*[0.05] * (NEVER + 1))
    assert rings == [False] * (NEVER - 1) + [True, True]


def test_crisp_samples_of_few_kinds_are_a_collapse_from_the_beginning_on() -> None:
    assert watched(*[0.1] * 8, contrast=1.0) == [False] * 7 + [True]
    assert watched(*[math.nan] * 8, contrast=math.nan, spread=math.nan)[-1]
    assert not any(watched(*[0.4] * 50, contrast=1.0))


def test_one_picture_again_and_again_is_a_collapse_however_pale() -> None:
    assert watched(*[0.1] * 8, spread=0.01) == [False] * 7 + [True]
    assert not any(watched(*[0.4] * 50, spread=0.01))  # close to each other, but of every kind


def test_a_slow_beginning_of_pale_samples_that_are_near_each_other_is_no_collapse() -> None:
    assert not any(watched(*[0.05] * (NEVER - 1), contrast=0.7, spread=0.05))


def test_few_kinds_for_a_while_are_no_collapse() -> None:
    assert not any(watched(*[0.1] * 7, *[0.4] * 20, contrast=1.0))


def test_the_spread_of_real_samples_is_one_and_of_one_picture_none() -> None:
    known = Prototypes.of(REAL)
    for drawn in torch.randperm(len(REAL))[: 10 * FAKES].view(10, FAKES):
        assert 0.8 < known.spread(REAL[drawn]) < 1.2
    assert known.spread(REAL[:1].repeat(FAKES, 1)) == pytest.approx(0.0, abs=1e-3)
    assert known.spread(torch.randn(FAKES, 64)) > 1.0


@pytest.mark.parametrize("seed", [1, 2])
def test_a_healthy_job_never_rings(seed: int) -> None:
    recipe = find_recipe("digits")
    generator, discriminator = (build_network(NETWORKS[name]) for name in recipe.networks)
    drawn = streams.stream(seed, "initialisation")
    initialise(generator, NETWORKS[recipe.networks[0]], drawn)
    initialise(discriminator, NETWORKS[recipe.networks[1]], drawn)
    strategy = GANLearningStrategy()
    strategy.setup({**recipe.config, "seed": seed}, DIGITS, generator, discriminator)
    alarm, latents = CollapseAlarm(DIGITS), strategy.grid_latents(FAKES, seed)
    for i in range(1500):
        strategy.process_iteration(i)
        if (i + 1) % LOOK_INTERVAL == 0:
            assert alarm.look(strategy.draw_samples(latents)) is None, i


def test_the_contrast_of_real_samples_is_one_and_of_their_mean_far_less() -> None:
    known = Prototypes.of(REAL)
    for drawn in torch.randperm(len(REAL))[: 10 * FAKES].view(10, FAKES):
        assert 0.9 < known.contrast(REAL[drawn]) < 1.1
    assert known.contrast(REAL.mean(0).repeat(FAKES, 1)) < 0.7
    assert math.isnan(known.contrast(torch.full((FAKES, 64), torch.nan)))


def test_samples_of_one_number_have_no_contrast() -> None:
    numbers = torch.randn(200, 1, generator=torch.Generator().manual_seed(1))
    assert Prototypes.of(numbers).contrast(numbers) == 0.0


def test_what_it_says_tells_how_diverse_the_samples_are() -> None:
    alarm = CollapseAlarm(DIGITS)
    assert [alarm.look(DIGITS.inputs[:FAKES]) for _ in range(3)] == [None] * 3
    alike = DIGITS.inputs[:1].repeat(FAKES, 1, 1, 1)
    said = [alarm.look(alike) for _ in range(3)]
    assert said[:2] == [None, None]
    assert said[2] is not None
    assert "% as diverse as the dataset's" in said[2]
