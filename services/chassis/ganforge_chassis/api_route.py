"""A route of the HTTP API: what comes in is JSON, and text that every database can hold."""

import json
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute

from ganforge.errors import BadInput, NotFound
from ganforge_chassis.problems import RESPONSES, pointer

_JSON = re.compile(r"application/(?:[a-z0-9.!#$&^_-]+\+)?json", re.IGNORECASE)
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNHOLDABLE = re.compile("[\0\ud800-\udfff]")

NOTHING = object()
"""What an empty body is parsed to."""


class ApiRoute(APIRoute):
    """Refuses, the same way on every database, what PostgreSQL cannot hold or nobody can read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give the handler, which looks at the path, the query and the body first."""
        handle = super().get_route_handler()
        field = self.body_field
        takes_json = field is not None and not isinstance(field.field_info, Form)

        async def answer(request: Request) -> Response:
            check_address(request)
            if takes_json:
                request = _JsonRequest(request.scope, request.receive)
                await request.check()
            return await handle(request)

        return answer


def api_router(tag: str, *, prefix: str = "", route_class: type[ApiRoute] = ApiRoute) -> APIRouter:
    """Make a router for a part of the HTTP API."""
    return APIRouter(prefix=prefix, tags=[tag], responses=RESPONSES, route_class=route_class)


class _JsonRequest(Request):
    """A request whose body is JSON, parsed once."""

    async def check(self) -> None:
        """Parse the body; one that is empty is left to be missed."""
        self._parsed = await read_json(self)

    async def json(self) -> Any:
        """Give the body."""
        return self._parsed


async def read_json(request: Request) -> Any:
    """Parse a body that is JSON in UTF-8 (RFC 8259); gives ``NOTHING`` when it is empty.

    Raises:
        HTTPException: the body is of another media type: 415.
        BadInput: it is no JSON, or holds text that cannot be kept.
    """
    body = await request.body()
    if not body:
        return NOTHING
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if not _JSON.fullmatch(media_type):
        raise HTTPException(415, "the body is to be JSON, sent as Content-Type: application/json")
    return parse(body)


def parse(body: bytes) -> Any:
    """Read JSON.

    Raises:
        BadInput: it is none, is nested too deeply, or holds NUL or half a character.
    """
    try:
        value = json.loads(body.decode())
        errors = list(_unholdable(value)) if _SUSPECT.search(body) else []
    except UnicodeDecodeError as error:
        raise BadInput(f"the body is not UTF-8 (at byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"the body is not JSON: {error.msg} (at character {error.pos})") from None
    except RecursionError:
        raise BadInput("the body is nested too deeply") from None
    except ValueError:
        # Python reads no integer of more than 4300 digits.
        raise BadInput("the body holds a number of too many digits") from None
    if errors:
        told = [{"pointer": at, "detail": "a text holds NUL or half a character"} for at in errors]
        raise BadInput(f"{errors[0]}: {told[0]['detail']}", errors=told)
    return value


def _unholdable(value: Any, *at: object) -> Iterator[str]:
    """Point at every text that UTF-8 or PostgreSQL cannot say."""
    match value:
        case str() if _UNHOLDABLE.search(value):
            yield pointer(at)
        case list():
            for place, item in enumerate(value):
                yield from _unholdable(item, *at, place)
        case dict():
            for key, item in value.items():
                yield from _unholdable(key, *at)
                yield from _unholdable(item, *at, key)


def check_address(request: Request) -> None:
    """Refuse NUL in an address, which PostgreSQL can hold nowhere.

    Raises:
        NotFound: the path holds it.
        BadInput: the query does.
    """
    if "\0" in request.scope["path"]:
        raise NotFound("no name holds NUL: there is nothing here")
    if b"%00" in request.scope["query_string"] or b"\0" in request.scope["query_string"]:
        raise BadInput("the query holds NUL: leave it out")
