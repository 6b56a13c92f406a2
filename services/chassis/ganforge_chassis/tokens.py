"""Bearer tokens (RFC 6750) and the roles they stand for."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer

from ganforge.errors import BadInput, NotAllowed, NotAuthenticated

COOKIE = "ganforge_token"


class Role(StrEnum):
    """What a token may do: each role also may what its ``reach`` lists."""

    READ = "read"
    SUBMIT = "submit"
    LEARNER = "learner"
    ADMIN = "admin"

    @property
    def reach(self) -> frozenset["Role"]:
        """The roles whose calls this role may make."""
        return _REACH[self]


_REACH = {
    Role.READ: frozenset({Role.READ}),
    Role.SUBMIT: frozenset({Role.READ, Role.SUBMIT}),
    Role.LEARNER: frozenset({Role.READ, Role.LEARNER}),
    Role.ADMIN: frozenset(Role),
}


class Tokens:
    """The tokens a service knows, kept as SHA-256 digests only.

    Tokens are random and long, so a plain digest is enough: there is nothing to guess.

    Args:
        text: ``role:token`` pairs, comma-separated, as in ``GANFORGE_TOKENS``.
    """

    def __init__(self, text: str) -> None:
        self._roles: dict[bytes, Role] = {}
        for pair in filter(None, (part.strip() for part in text.split(","))):
            role, _, token = pair.partition(":")
            if role not in set(Role) or len(token) < 16:
                raise BadInput(
                    "GANFORGE_TOKENS takes role:token pairs with a role of "
                    f"{', '.join(Role)} and a token of 16 characters or more"
                )
            self._roles[_digest(token)] = Role(role)

    def role_of(self, token: str) -> Role:
        """Tell the role of ``token``.

        Raises:
            NotAuthenticated: nobody knows the token.
        """
        wanted = _digest(token)
        for known, role in self._roles.items():
            if hmac.compare_digest(known, wanted):
                return role
        raise NotAuthenticated("this token is not known here: check GANFORGE_TOKEN")

    def secret(self, purpose: str) -> bytes:
        """Derive a key that all servers with the same tokens share, and nobody else knows."""
        known = b"".join(sorted(self._roles))
        return hmac.digest(known, f"ganforge {purpose}".encode(), "sha256")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def token_of(request: Request) -> str:
    """Find the caller's token: the Authorization header, else the page's cookie.

    Raises:
        NotAuthenticated: there is none.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    if cookie := request.cookies.get(COOKIE):
        return cookie
    raise NotAuthenticated("a token is needed: set GANFORGE_TOKEN, or send Authorization: Bearer")


_BEARER = HTTPBearer(auto_error=False, description="GANFORGE_TOKEN, or the data folder's token")


def require(role: Role) -> Callable[..., Awaitable[Role]]:
    """Make a dependency that lets only callers with ``role`` through."""

    # The scheme is there for OpenAPI's readers; the token is read by ``token_of``.
    async def check(request: Request, scheme: Annotated[object, Security(_BEARER)]) -> Role:
        tokens: Tokens = request.app.state.tokens
        held = tokens.role_of(token_of(request))
        if role not in held.reach:
            raise NotAllowed(f"this needs the role {role}; the token has {held}")
        return held

    return check


def token_file(folder: Path) -> str:
    """Read the admin token kept in ``folder/token``, making it first where there is none.

    The file is readable by its owner alone (mode 0600).
    """
    path = folder / "token"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make_token_file(path)
    return path.read_text().strip()


def _make_token_file(path: Path) -> None:
    """Make the file whole or not at all; of two that start at once, one makes it."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    new.touch(mode=0o600)
    new.write_text(f"gf_{secrets.token_urlsafe(32)}\n")
    with suppress(FileExistsError):
        os.link(new, path)
    new.unlink()
