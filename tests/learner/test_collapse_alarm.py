"""The collapse alarm: rings for samples that have become all alike, and for no others."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from ganforge_learner.collapse_alarm import FAKES, NEVER, CollapseAlarm, Prototypes, Watch
from ganforge_learner.datasets import load_dataset

DIGITS = load_dataset("digits", Path())
REAL = DIGITS.inputs.flatten(1)


def watched(*diversities: float) -> list[bool]:
    """Tell after which looks the alarm rings."""
    watch, rings = Watch(), []
    for diversity in diversities:
        watch = watch.after(diversity)
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


def test_what_it_says_tells_how_diverse_the_samples_are() -> None:
    alarm = CollapseAlarm(DIGITS)
    assert [alarm.look(DIGITS.inputs[:FAKES]) for _ in range(3)] == [None] * 3
    alike = DIGITS.inputs[:1].repeat(FAKES, 1, 1, 1)
    said = [alarm.look(alike) for _ in range(3)]
    assert said[:2] == [None, None]
    assert said[2] is not None
    assert "% as diverse as the dataset's" in said[2]
