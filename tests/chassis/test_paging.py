"""Pages: none is missed, none comes twice, and a token holds for its list alone."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganforge.errors import BadInput
from ganforge_chassis.paging import Paging

PATH = "/v1/notes"


@given(total=st.integers(0, 40), size=st.integers(1, 12))
def test_pages_follow_one_another_without_gap_or_overlap(total: int, size: int) -> None:
    seen: list[int] = []
    token = None
    while True:
        pages = Paging(size, token, binding=b"list", secret=b"key")
        first = pages.after() or 0
        rows = list(range(first + 1, total + 1))[: pages.limit]
        shown, token = pages.cut(rows, lambda row: row)
        assert len(shown) <= size
        seen += shown
        if token is None:
            break
    assert seen == list(range(1, total + 1))


@given(st.text())
def test_a_token_nobody_gave_is_refused(token: str) -> None:
    with pytest.raises(BadInput):
        Paging(1, token, binding=b"list", secret=b"key").after()


def test_a_token_of_another_list_or_server_is_refused() -> None:
    _, token = Paging(1, None, binding=b"list", secret=b"key").cut([1, 2], lambda row: row)
    assert Paging(9, token, binding=b"list", secret=b"key").after() == 1
    for binding, secret in ((b"other", b"key"), (b"list", b"other")):
        with pytest.raises(BadInput):
            Paging(1, token, binding=binding, secret=secret).after()


def test_a_page_has_fifty_items_or_as_many_as_are_asked_for_but_never_more_than_1000(
    http: httpx.Client,
) -> None:
    for params, length in (({}, 50), ({"pageSize": 3}, 3), ({"pageSize": 10**20}, 1000)):
        assert len(http.get(PATH, params=params).json()) == length
    for wrong in (0, -1, "many", "9" * 5000):
        assert http.get(PATH, params={"pageSize": wrong}).status_code == 422


def test_a_bare_array_names_its_next_page_in_a_link(http: httpx.Client) -> None:
    seen: list[int] = []
    path: str | None = f"{PATH}?kind=any&pageSize=900"
    while path is not None:
        answer = http.get(path)
        seen += answer.json()
        path = answer.links["next"]["url"] if "next" in answer.links else None
    assert seen == list(range(1, 2501))


def test_a_token_holds_for_its_filters_alone(http: httpx.Client) -> None:
    link = http.get(PATH, params={"kind": "a", "pageSize": 2}).links["next"]["url"]
    assert http.get(link).json() == [3, 4]
    assert http.get(link.replace("pageSize=2", "pageSize=3")).json() == [3, 4, 5]
    answer = http.get(link.replace("kind=a", "kind=b"))
    assert answer.status_code == 422
    assert "pageToken" in answer.json()["detail"]
