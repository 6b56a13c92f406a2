"""A limit on request bodies, so that nobody fills the memory."""

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ganforge.errors import TooLarge
from ganforge_chassis import problems


class BodyLimit:
    """Middleware that refuses larger request bodies, by their length or while they arrive.

    Args:
        app: what answers the others.
        max_bytes: the largest body taken.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._refusal = f"the body has more than {max_bytes} bytes: send less at a time"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            await problems.answer(TooLarge(self._refusal))(scope, receive, send)
            return
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self._max_bytes:
                # FastAPI lets this one class through while it reads a body.
                raise HTTPException(413, self._refusal)
            return message

        await self._app(scope, counted, send)
