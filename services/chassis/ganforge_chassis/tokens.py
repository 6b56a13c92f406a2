"""Bearer tokens (RFC 6750) and the roles they stand for."""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from ganforge.errors import BadInput, NotAllowed, NotAuthenticated
from ganforge.wire.tokens import Role

COOKIE = "ganforge_token"
TRUST_SECONDS = 1.0
"""How long a token goes on to be taken that was revoked on another server."""
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the role that the token has, and whose it is."""

    role: Role
    principal: str


Lookup = Callable[[str], Caller | None]
"""Finds out, wherever tokens are kept, whose a token is; None when nobody knows it."""


class Tokens:
    """The tokens a service knows, kept as SHA-256 digests only.

    Tokens are random and long, so a plain digest is enough: there is nothing to guess. Those of
    the settings are asked first; all of one role share a principal, named like the role, so that
    one may be replaced by another.

    Args:
        text: ``role:token`` pairs, comma-separated, as in ``GANFORGE_TOKENS``.
        lookup: asked about all others; what it says is trusted for ``TRUST_SECONDS``.
    """

    def __init__(self, text: str, *, lookup: Lookup | None = None) -> None:
        self._lookup = lookup
        self._known: dict[bytes, Caller] = {}
        self._told: dict[bytes, tuple[Caller | None, float]] = {}
        for pair in filter(None, (part.strip() for part in text.split(","))):
            role, _, token = pair.partition(":")
            if role not in set(Role) or len(token) < 16:
                raise BadInput(
                    "GANFORGE_TOKENS takes role:token pairs with a role of "
                    f"{', '.join(Role)} and a token of 16 characters or more"
                )
            self._known[digest_of(token)] = Caller(Role(role), role)

    def caller(self, token: str) -> Caller:
        """Tell whose ``token`` is; may ask a database.

        Raises:
            NotAuthenticated: nobody knows the token.
        """
        found = self.remembered(token)
        if found is None:
            found = self._lookup(token) if self._lookup else None
            self._remember(digest_of(token), found)
        if found is None:
            raise NotAuthenticated(
                "this token is not known here: check GANFORGE_TOKEN", error="invalid_token"
            )
        return found

    def remembered(self, token: str) -> Caller | None:
        """Tell whose ``token`` is when that is known without asking; None otherwise."""
        wanted = digest_of(token)
        for known, caller in self._known.items():
            if hmac.compare_digest(known, wanted):
                return caller
        found, until = self._told.get(wanted, (None, 0.0))
        return found if time.monotonic() < until else None

    def _remember(self, digest: bytes, caller: Caller | None) -> None:
        if len(self._told) >= REMEMBERED:
            self._told = {}
        if caller is not None:
            self._told[digest] = (caller, time.monotonic() + TRUST_SECONDS)

    def forget(self) -> None:
        """Ask anew about every token: one was revoked."""
        self._told = {}

    def secret(self, purpose: str) -> bytes:
        """Derive a key that all servers with the same tokens share, and nobody else knows."""
        known = b"".join(sorted(self._known))
        return hmac.digest(known, f"ganforge {purpose}".encode(), "sha256")


def digest_of(token: str) -> bytes:
    """Give what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """Draw a token: 256 bits, with a prefix by which people and scanners know it."""
    return f"gf_{secrets.token_urlsafe(32)}"


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


def require(role: Role) -> Callable[..., Awaitable[Caller]]:
    """Make a dependency that lets only callers with ``role`` through, and tells who it is."""

    # The scheme is there for OpenAPI's readers; the token is read by ``token_of``.
    async def check(request: Request, scheme: Annotated[object, Security(_BEARER)]) -> Caller:
        return await admit(request, role)

    return check


async def admit(request: Request, role: Role) -> Caller:
    """Let only callers with ``role`` through, and tell who it is.

    Raises:
        NotAuthenticated: there is no token, or nobody knows it.
        NotAllowed: its role does not reach as far.
    """
    tokens: Tokens = request.app.state.tokens
    token = token_of(request)
    caller = tokens.remembered(token)
    if caller is None:
        caller = await run_in_threadpool(tokens.caller, token)
    if role not in caller.role.reach:
        raise NotAllowed(
            f"this needs the role {role}; the token has {caller.role}",
            error="insufficient_scope",
            scope=role,
        )
    return caller


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
    new.write_text(f"{new_token()}\n")
    with suppress(FileExistsError):
        os.link(new, path)
    new.unlink()
