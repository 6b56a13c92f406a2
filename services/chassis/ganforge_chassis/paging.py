"""Pages of lists: an opaque, signed token says after which item the next page begins (AIP-158)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request, Response

from ganforge.errors import BadInput
from ganforge_chassis.tokens import Tokens

MAX_PAGE_SIZE = 1000
_SIGNATURE_BYTES = 16

PageSize = Annotated[
    int | None,
    Query(
        alias="pageSize",
        ge=1,
        description=f"how many items at most; more than {MAX_PAGE_SIZE} are never given",
        examples=[20],
    ),
]
PageToken = Annotated[
    str | None,
    Query(
        alias="pageToken",
        max_length=2000,
        description="`nextPageToken` of the page before; the other parameters are to stay the same",
    ),
]

Row = TypeVar("Row")


class Paging:
    """The page that a request asks for.

    Args:
        size: how many items it has at most.
        token: what the page before told, if there was one.
        binding: what the token holds for, and nothing else: list and filters.
        secret: what tokens are signed with.
    """

    def __init__(self, size: int, token: str | None, *, binding: bytes, secret: bytes) -> None:
        self.size = size
        self._token = token
        self._binding = binding
        self._secret = secret

    @property
    def limit(self) -> int:
        """How many rows to look for: one more than shown, to know whether there is a next page."""
        return self.size + 1

    def after(self) -> Any:
        """Give the key of the item the page begins after; None for the first page.

        Raises:
            BadInput: the token is not one that this list gave under these filters.
        """
        if self._token is None:
            return None
        try:
            whole = base64.urlsafe_b64decode(self._token.encode("ascii"))
        except ValueError:
            whole = b""
        signature, said = whole[:_SIGNATURE_BYTES], whole[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(said)):
            raise BadInput(
                "pageToken: take it from nextPageToken of the page before, and leave the other "
                "parameters as they were; or begin without"
            )
        return json.loads(said)

    def cut(
        self, rows: Sequence[Row], key: Callable[[Row], object]
    ) -> tuple[Sequence[Row], str | None]:
        """Split off the token of the next page; None when there is none.

        Args:
            rows: ``limit`` rows, or fewer.
            key: what the next page has to begin after; a JSON value.
        """
        if len(rows) <= self.size:
            return rows, None
        said = json.dumps(key(rows[self.size - 1])).encode()
        token = base64.urlsafe_b64encode(self._sign(said) + said).decode()
        return rows[: self.size], token

    def _sign(self, said: bytes) -> bytes:
        return hmac.digest(self._secret, self._binding + b"\0" + said, "sha256")[:_SIGNATURE_BYTES]


def pages(size: int) -> Callable[..., Paging]:
    """Make a dependency that reads which page is asked for, of ``size`` items when not told."""

    async def paging(
        request: Request, page_size: PageSize = None, page_token: PageToken = None
    ) -> Paging:
        asked = sorted(
            (name, value)
            for name, value in request.query_params.multi_items()
            if name not in ("pageSize", "pageToken")
        )
        binding = hashlib.sha256(json.dumps([request.url.path, asked]).encode()).digest()
        tokens: Tokens = request.app.state.tokens
        return Paging(
            min(page_size or size, MAX_PAGE_SIZE),
            page_token,
            binding=binding,
            secret=tokens.secret("page tokens"),
        )

    return paging  # type: ignore[return-value]


PagesOf50 = Annotated[Paging, Depends(pages(50))]
PagesOf100 = Annotated[Paging, Depends(pages(100))]
PagesOf1000 = Annotated[Paging, Depends(pages(MAX_PAGE_SIZE))]


def url_of_next(request: Request, token: str | None) -> str | None:
    """Give the path and query of the next page; None when there is none."""
    if token is None:
        return None
    url = request.url.include_query_params(pageToken=token)
    return f"{url.path}?{url.query}"


def link_next(request: Request, response: Response, token: str | None) -> None:
    """Name the next page of a list that is a bare array (RFC 8288)."""
    if url := url_of_next(request, token):
        response.headers["Link"] = f'<{url}>; rel="next"'
