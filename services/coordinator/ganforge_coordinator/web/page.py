"""Pages: templates filled in, and the headers that every page carries."""

import hashlib
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

import ganforge
from ganforge.errors import GanforgeError, NotAuthenticated
from ganforge.wire.tokens import Role
from ganforge_chassis.api_route import ApiRoute
from ganforge_chassis.problems import from_validation
from ganforge_chassis.tokens import COOKIE, Tokens, token_of
from ganforge_coordinator.web import words

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers then send our own forms with "Origin: null", and where the address
    # is not secure there is no Sec-Fetch-Site to know them by either.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-cache",
    "Vary": "Cookie",
}


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("ganforge_coordinator", "web/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=words.number,
        figure=words.figure,
        rate=words.rate,
        duration=words.duration,
        failure=words.failure,
        json=lambda value: json.dumps(value, separators=(",", ":")),
    )
    made.globals.update(words=words, version=ganforge.__version__)
    return made


_TEMPLATES = _environment()


def render(
    request: Request, template: str, *, status: int = 200, role: Role | None = None, **facts: Any
) -> Response:
    """Answer with a page, or with 304 when the caller has it already.

    Args:
        request: what was asked.
        template: the template's file.
        status: the HTTP status.
        role: the caller's role; None when not signed in.
        facts: what the template tells.
    """
    now = datetime.now(UTC)
    body = _TEMPLATES.get_template(template).render(
        request=request,
        can_steer=role is not None and Role.SUBMIT in role.reach,
        signed_in=role is not None,
        ago=lambda then: words.ago(then, now),
        **facts,
    )
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {**HEADERS, "ETag": etag}
    if status == 200 and request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(body, status_code=status, headers=headers)


def sign_in(request: Request, *, wanted: str, wrong: bool) -> Response:
    """Answer with the form to sign in."""
    return render(request, "sign-in.html", status=401, wanted=wanted, wrong=wrong)


class PageRoute(ApiRoute):
    """A route whose errors are pages for people."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give the handler, every error of which becomes a page."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except NotAuthenticated:
                wanted = request.url.path if request.method == "GET" else "/"
                return sign_in(request, wanted=wanted, wrong=COOKIE in request.cookies)
            except GanforgeError as error:
                return _failed(request, error)
            except RequestValidationError as error:
                return _failed(request, from_validation(error))

        return answer


def _failed(request: Request, error: GanforgeError) -> Response:
    return render(
        request, "error.html", status=error.status, role=_role_if_any(request), error=error
    )


def _role_if_any(request: Request) -> Role | None:
    tokens: Tokens = request.app.state.tokens
    try:
        return tokens.caller(token_of(request)).role
    except NotAuthenticated:
        return None
