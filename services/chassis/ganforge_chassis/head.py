"""HEAD wherever GET is: what GET would begin with, and no body (RFC 9110, section 9.3.2)."""

from collections.abc import Awaitable

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Head:
    """Middleware that answers HEAD as the app answers GET, and ends it where the body begins.

    So nothing is read for a body that nobody gets, and streams that never end are answered too.

    Args:
        app: what answers GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one connection; all but HEAD pass by untouched."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            return self._answer(scope, receive, send)
        return self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A range is of GET alone (section 14.2).
        headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
        asked = {**scope, "method": "GET", "headers": headers}

        async def begin(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["route"] = asked.get("route")  # for who measures the request
                await send(message)
                await send({"type": "http.response.body"})
                body.cancel()

        with anyio.CancelScope() as body:
            await self._app(asked, receive, begin)
