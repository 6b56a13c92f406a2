"""Asking the coordinator, which keeps the tokens that admins give out, whose a token is."""

from ganforge._transport import Transport
from ganforge.errors import NotAuthenticated
from ganforge.wire.tokens import Bearer
from ganforge_chassis.tokens import Caller, Lookup

TIMEOUT_SECONDS = 3.0


def transport(coordinator_url: str) -> Transport:
    """Make a way to the coordinator that gives up soon: a request waits for the answer."""
    return Transport(coordinator_url, None, timeout_s=TIMEOUT_SECONDS, retries=0)


def lookup(coordinator: Transport) -> Lookup:
    """Make a function that asks the coordinator whose a token is, with that very token.

    It raises ``Unreachable`` when the coordinator does not answer: 503, come again.
    """

    def find(token: str) -> Caller | None:
        if not (token.isascii() and token.isprintable()):
            return None
        try:
            answer = coordinator.request(
                "GET", "/v1/caller", headers={"Authorization": f"Bearer {token}"}
            )
        except NotAuthenticated:
            return None
        bearer = Bearer.model_validate_json(answer.content)
        return Caller(bearer.role, bearer.principal)

    return find
