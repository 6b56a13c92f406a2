"""Tokens, for admins: made, listed and revoked at the coordinator."""

from collections.abc import Iterator

from ganforge._transport import Transport
from ganforge.wire.tokens import Bearer, IssuedToken, NewToken, Role, TokenInfo, TokenPage


class Tokens:
    """The tokens that were made at a coordinator.

    Args:
        transport: how the coordinator is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, role: Role | str, principal: str, *, lifetime_seconds: int | None = None
    ) -> IssuedToken:
        """Make a token; its ``token`` is told this once.

        Args:
            role: read, submit, learner or admin.
            principal: whose it is; learners of one principal may act for one another.
            lifetime_seconds: until it expires; never when not given.
        """
        wanted = NewToken(role=Role(role), principal=principal, lifetime_seconds=lifetime_seconds)
        body = wanted.model_dump(mode="json", by_alias=True)
        response = self._transport.request("POST", "/v1/tokens", json=body)
        return IssuedToken.model_validate_json(response.content)

    def list(self) -> Iterator[TokenInfo]:
        """Go through the tokens, oldest first; those of the server's settings are not told."""
        token: str | None = None
        while True:
            response = self._transport.request("GET", "/v1/tokens", params={"pageToken": token})
            page = TokenPage.model_validate_json(response.content)
            yield from page.items
            token = page.next_page_token
            if token is None:
                return

    def revoke(self, token_id: str) -> None:
        """Revoke a token; every server refuses it within a second.

        Raises:
            NotFound: there is none of this id.
        """
        self._transport.request("DELETE", f"/v1/tokens/{token_id}", retry=False)

    def own(self) -> Bearer:
        """Tell the role and the principal of the token in use."""
        response = self._transport.request("GET", "/v1/caller")
        return Bearer.model_validate_json(response.content)
