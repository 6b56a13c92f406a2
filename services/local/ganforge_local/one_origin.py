"""Both services as one ASGI app: one port, one OpenAPI, one answer to ``/readyz``."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import ganforge
from ganforge_chassis import metrics

REPOSITORY_PATHS = ("/v1/networks", "/v1/snapshots", "/v1/blobs", "/v1/updates")
"""What the repository answers; all else is the coordinator's."""


class OneOrigin:
    """Sends each request to the service whose path it has.

    Args:
        coordinator: the coordinator's app.
        repository: the repository's app.
    """

    def __init__(self, coordinator: FastAPI, repository: FastAPI) -> None:
        self._coordinator = coordinator
        self._repository = repository
        self._openapi: dict[str, Any] | None = None

    def share_tokens(self) -> None:
        """Let the repository know every token that the coordinator knows."""
        self._repository.state.tokens = self._coordinator.state.tokens

    def stop(self) -> None:
        """Let open streams and long polls of both end; may be called more than once."""
        self._coordinator.state.stop()
        self._repository.state.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        service = self._repository if is_repositorys(scope["path"]) else self._coordinator
        answer = await self._answer(scope) if scope["type"] == "http" else None
        await (answer or service)(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response | None:
        """Answer what is asked of both services together."""
        if scope["method"] not in ("GET", "HEAD"):
            return None
        match scope["path"]:
            case "/openapi.json":
                return JSONResponse(self.openapi())
            case "/readyz":
                return await self._readiness(scope)
            case "/metrics":
                return await metrics.answer(self._coordinator, self._repository)
        return None

    async def _readiness(self, scope: Scope) -> Response:
        """Be ready when both are; else say which is not, and why."""
        told = {
            "coordinator": await _ask(self._coordinator, scope),
            "repository": await _ask(self._repository, scope),
        }
        ready = all(status == 200 for status, _ in told.values())
        body = {"ready": ready, **{name: answer for name, (_, answer) in told.items()}}
        return JSONResponse(body, status_code=200 if ready else 503)

    def openapi(self) -> dict[str, Any]:
        """Describe both services as one."""
        if self._openapi is None:
            self._openapi = _merged(self._coordinator.openapi(), self._repository.openapi())
        return self._openapi

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start both, and end both (ASGI lifespan protocol)."""
        begun = False
        try:
            await receive()
            async with self._running():
                begun = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            kind = "shutdown" if begun else "startup"
            await send({"type": f"lifespan.{kind}.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in (self._repository, self._coordinator):
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield


def is_repositorys(path: str) -> bool:
    """Tell whether the repository answers this path."""
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in REPOSITORY_PATHS)


async def _ask(app: ASGIApp, scope: Scope) -> tuple[int, Any]:
    """Ask one service by itself; gives the status and the JSON answered."""
    status, body = 500, b""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, body
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            body += message.get("body", b"")

    await app({**scope, "method": "GET"}, receive, send)
    try:
        return status, json.loads(body)
    except ValueError:
        return status, None


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Join two OpenAPI documents; what both have, such as ``/livez``, is the first one's."""
    kinds = {*first.get("components", {}), *second.get("components", {})}
    return {
        "openapi": first["openapi"],
        "info": {
            "title": "ganforge",
            "description": "The coordinator and the repository, on one origin.",
            "version": ganforge.__version__,
        },
        "paths": {**second["paths"], **first["paths"]},
        "components": {
            kind: {
                **second.get("components", {}).get(kind, {}),
                **first.get("components", {}).get(kind, {}),
            }
            for kind in sorted(kinds)
        },
    }
