"""Pages of lists: an opaque token says after which item the next page begins (AIP-158)."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query

from ganforge.errors import BadInput

PageSize = Annotated[
    int, Query(alias="pageSize", ge=1, le=1000, description="how many items at most")
]
PageToken = Annotated[
    str | None, Query(alias="pageToken", description="`nextPageToken` of the page before")
]


def key_of(token: str | None, kind: type[str] | type[int]) -> Any:
    """Read the key of the item a page begins after; None for the first page.

    Raises:
        BadInput: the token is not one this list gave.
    """
    if token is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError:
        key = None
    if type(key) is not kind:
        raise BadInput("the pageToken is not one this list gave: begin without")
    return key


Row = TypeVar("Row")


def page(
    rows: Sequence[Row], size: int, key: Callable[[Row], str | int]
) -> tuple[Sequence[Row], str | None]:
    """Split off the token of the next page.

    Args:
        rows: ``size + 1`` rows, or fewer when there is no further page.
        size: how many rows a page has.
        key: what the next page has to begin after.
    """
    if len(rows) <= size:
        return rows, None
    token = base64.urlsafe_b64encode(json.dumps(key(rows[size - 1])).encode()).decode()
    return rows[:size], token
