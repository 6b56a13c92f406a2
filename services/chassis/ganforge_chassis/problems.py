"""Errors at the HTTP edge: every one leaves as a problem document (RFC 9457)."""

import json
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DataError, InterfaceError, OperationalError, TimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from ganforge.errors import BadInput, GanforgeError, NotAllowed, NotAuthenticated, StillRunning

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "a URI reference that names the kind of problem"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what is wrong and what to do"},
        "errors": {
            "type": "array",
            "description": "one entry for each wrong field",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_DETAILS = {404: "there is nothing at this path: /docs tells what there is"}

RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem document (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}},
    }
}
"""Pass as ``responses=`` of a router, so that OpenAPI tells of the problem documents."""


class ProblemResponse(JSONResponse):
    """A problem document; in ASCII, since what it repeats may hold text that UTF-8 cannot say."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Give the body."""
        return json.dumps(content, separators=(",", ":")).encode()


def document(error: GanforgeError) -> dict[str, Any]:
    """Say ``error`` as a problem document's members."""
    return {
        "type": f"/problems/{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        **error.members,
    }


def answer(error: GanforgeError) -> Response:
    """Answer with ``error``."""
    headers = {}
    if isinstance(error, NotAuthenticated | NotAllowed):
        headers["WWW-Authenticate"] = _challenge(error)
    if isinstance(error, StillRunning):
        headers["Retry-After"] = "1"
    return ProblemResponse(document(error), status_code=error.status, headers=headers)


def _challenge(error: GanforgeError) -> str:
    """Say which token is wanted (RFC 6750, section 3)."""
    told = {name: error.members.get(name) for name in ("error", "scope")}
    words = ", ".join(f'{name}="{word}"' for name, word in told.items() if word)
    return f"Bearer {words}".strip()


def plain(
    status: int, detail: str, headers: dict[str, str] | None = None, **members: Any
) -> Response:
    """Answer with a problem that has no type of its own (RFC 9457, section 4.2.1)."""
    body = {"type": "about:blank", "title": phrase(status), "status": status, "detail": detail}
    return ProblemResponse({**body, **members}, status_code=status, headers=headers)


def phrase(status: int) -> str:
    """Give a status's reason phrase."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def install(app: FastAPI) -> None:
    """Turn every error that leaves ``app`` into a problem document."""

    @app.exception_handler(GanforgeError)
    def known(request: Request, error: GanforgeError) -> Response:
        return answer(error)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        return answer(from_validation(error))

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers) if error.headers else {}
        if error.status_code == 405:
            allowed = ", ".join(allowed_methods(app, request.url.path))
            return plain(405, f"this takes {allowed}", {**headers, "Allow": allowed})
        return plain(error.status_code, _DETAILS.get(error.status_code, error.detail), headers)

    @app.exception_handler(ClientDisconnect)
    def cut_off(request: Request, error: ClientDisconnect) -> Response:
        logger.info("the caller went away while sending", extra={"path": request.url.path})
        return plain(400, "the body broke off")

    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    @app.exception_handler(TimeoutError)
    def database_away(request: Request, error: Exception) -> Response:
        logger.warning("the database does not answer: check that it runs", exc_info=error)
        return plain(503, "the database does not answer; try again", {"Retry-After": "1"})

    @app.exception_handler(DataError)
    @app.exception_handler(OverflowError)
    @app.exception_handler(UnicodeEncodeError)
    def unstorable(request: Request, error: Exception) -> Response:
        logger.info("a value that the database does not take", exc_info=error)
        return answer(
            BadInput("a number is too large, or a text holds a character that cannot be stored")
        )

    @app.exception_handler(Exception)
    def bug(request: Request, error: Exception) -> Response:
        logger.error("a bug: please report it", exc_info=error, extra={"path": request.url.path})
        # uvicorn hangs up after a bug; who is not told would lose the next request.
        close = {"Connection": "close"}
        return plain(500, "something went wrong on the server; its log says what", close)


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """List the methods that ``path`` takes, of all the routes there; HEAD where GET is."""
    scope = {"type": "http", "path": path, "root_path": "", "headers": []}
    taken = [
        method
        for method in _METHODS
        if any(
            route.matches({**scope, "method": method})[0] is Match.FULL
            for route in app.router.routes
        )
    ]
    return ["GET", "HEAD", *taken[1:]] if "GET" in taken else taken


def from_validation(error: RequestValidationError) -> BadInput:
    """Name every wrong field by a JSON pointer (RFC 6901) and say what is wrong with it."""
    told = error.errors()
    errors = [{"pointer": pointer(item["loc"][1:]), "detail": item["msg"]} for item in told]
    first = errors[0]
    where = f"{first['pointer']}: " if first["pointer"] else ""
    return BadInput(f"{where}{first['detail']}", errors=errors)


def pointer(path: Iterable[object]) -> str:
    """Write a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
