import pytest

from ganforge_chassis.conditional import (
    Unsatisfiable,
    is_named,
    is_strongly_named,
    wanted_range,
)


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (None, False),
        ("*", True),
        (" * ", True),
        ('"a"', True),
        ('W/"a"', True),
        ('"b"', False),
        ('"b", "a"', True),
        ('"b",W/"a" ,"c"', True),
        ('"b,a"', False),
        ("a", False),
        ("", False),
    ],
)
def test_if_none_match_compares_weakly(header: str | None, named: bool) -> None:
    assert is_named("a", header) is named


def test_if_match_compares_strongly() -> None:
    assert is_strongly_named("a", '"b", "a"')
    assert is_strongly_named("a", "*")
    assert not is_strongly_named("a", 'W/"a"')
    assert not is_strongly_named("a", None)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-3", (0, 4)),
        ("bytes=3-", (3, 10)),
        ("bytes=-4", (6, 10)),
        ("bytes=-40", (0, 10)),
        ("bytes=3-100", (3, 10)),
        ("BYTES=9-9", (9, 10)),
        ("bytes=10-", Unsatisfiable()),
        ("bytes=-0", Unsatisfiable()),
        ("bytes=5-4", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 5000 + "-", None),
        (None, None),
    ],
)
def test_a_range_is_read_as_the_rfc_says(header: str | None, part: object) -> None:
    assert wanted_range(header, None, opaque="a", size=10) == part


def test_a_range_of_nothing_cannot_be_satisfied() -> None:
    assert wanted_range("bytes=0-", None, opaque="a", size=0) == Unsatisfiable()


@pytest.mark.parametrize(
    ("if_range", "part"),
    [
        ('"a"', (0, 4)),
        ('W/"a"', None),
        ('"b"', None),
        ("Sun, 22 Nov 2026 00:00:00 GMT", None),
    ],
)
def test_a_range_is_given_only_of_the_file_that_if_range_names(if_range: str, part: object) -> None:
    assert wanted_range("bytes=0-3", if_range, opaque="a", size=10) == part
