"""The bench of the collapse alarm: when a judge sees a collapse, and what would have rung."""

from bench.collapse import Look, collapse_of, margin


def looks(*digits: int, contrast: float = 1.0, spread: float = 0.5) -> list[Look]:
    """Give looks at samples of so many digits."""
    return [
        Look(
            iteration=100 * (place + 1),
            digits=count,
            diversity=count / 10,
            contrast=contrast,
            spread=spread,
            rings=False,
        )
        for place, count in enumerate(digits)
    ]


def test_a_collapse_begins_at_the_first_look_that_stays_at_two_digits() -> None:
    assert collapse_of(looks(9, 2, 9, 9, 1, 2, 3, *[1] * 6)) == 500
    assert collapse_of(looks(*[1] * 7, *[9] * 7, *[2, 9] * 7)) is None


def test_a_pale_beginning_is_no_collapse_but_copies_are() -> None:
    assert collapse_of(looks(*[1] * 20, contrast=0.6)) is None
    assert collapse_of(looks(*[1] * 20, contrast=0.6, spread=0.01)) == 100


def test_the_margin_is_the_contrast_that_eight_of_ten_looks_at_few_kinds_reach() -> None:
    pale = looks(*[1] * 4, contrast=0.4)
    assert margin([*pale, *looks(*[1] * 8, contrast=0.9)]) == 0.9
    assert margin([*pale, *looks(*[1] * 6, contrast=0.9)]) == 0.4
    assert margin(looks(*[9] * 20)) is None
