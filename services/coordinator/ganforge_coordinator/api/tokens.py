"""Tokens: admins make, list and revoke them; everybody may ask whose their own is."""

from typing import Annotated

from fastapi import Depends, Path, Response

from ganforge.wire.tokens import Bearer, IssuedToken, NewToken, Role, TokenPage
from ganforge_chassis.api_route import api_router
from ganforge_chassis.paging import PagesOf50
from ganforge_chassis.tokens import Caller, require
from ganforge_coordinator import token_book
from ganforge_coordinator.api.deps import ADMIN, Parts

router = api_router("tokens", prefix="/v1")

TokenId = Annotated[str, Path(max_length=36, description="the token's id, not the token")]
Anybody = Annotated[Caller, Depends(require(Role.READ))]


@router.post("/tokens", status_code=201, operation_id="createToken", dependencies=[ADMIN])
def create(wanted: NewToken, response: Response, parts: Parts) -> IssuedToken:
    """Make a token; this answer is the only one that ever tells it.

    There is no Idempotency-Key, since nothing is kept that the token could be told again from: a
    token whose answer was lost is found in the list, never used, and can be revoked.
    """
    with parts.database.write() as connection:
        issued = token_book.issue(connection, wanted)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"{router.prefix}/tokens/{issued.id}"
    return issued


@router.get("/tokens", operation_id="listTokens", dependencies=[ADMIN])
def list_tokens(parts: Parts, pages: PagesOf50) -> TokenPage:
    """List the tokens that were made here, oldest first; those of the settings are not told."""
    with parts.database.read() as connection:
        rows = token_book.listing(connection, after=pages.after(), limit=pages.limit)
    shown, token = pages.cut(rows, lambda row: row[1])
    return TokenPage(items=[info for info, _ in shown], next_page_token=token)


@router.get("/caller", operation_id="getCaller")
async def show_caller(caller: Anybody) -> Bearer:
    """Tell whose the token is that comes with this request."""
    return Bearer(role=caller.role, principal=caller.principal)


@router.delete(
    "/tokens/{token_id}", status_code=204, operation_id="revokeToken", dependencies=[ADMIN]
)
def revoke(token_id: TokenId, parts: Parts) -> None:
    """Revoke a token; every server refuses it within a second."""
    with parts.database.write() as connection:
        token_book.revoke(connection, token_id)
    parts.tokens.forget()
