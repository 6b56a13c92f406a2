"""Health and metrics: ``/livez``, ``/readyz``, ``/metrics``, ``/version``."""

import logging
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from fastapi import Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

import ganforge
from ganforge.errors import BadInput
from ganforge_chassis import metrics as numbers
from ganforge_chassis import problems
from ganforge_chassis.api_route import api_router

logger = logging.getLogger(__name__)

router = api_router("health")

READY_SECONDS = 1.0
"""How long a check may take; a database that is slower than this serves nobody."""

Check = Callable[[], str | None]
"""Says what is wrong, in words; None when nothing is."""

_WORDS: dict[str, Any] = {"type": "string"}
_READY: dict[str, Any] = {
    "type": "object",
    "required": ["ready"],
    "properties": {
        "ready": {"const": True},
        "checks": {"type": "object", "additionalProperties": _WORDS},
    },
}


@router.get("/livez", operation_id="livez", response_class=PlainTextResponse)
async def livez() -> str:
    """Tell that the process runs; never touches the database."""
    return "ok"


@router.get(
    "/readyz",
    operation_id="readyz",
    response_class=Response,
    responses={
        200: {
            "description": "Requests can be served",
            "content": {"application/json": {"schema": _READY}},
        }
    },
)
async def readyz(
    request: Request,
    verbose: Annotated[str | None, Query(description="tell every check; takes no value")] = None,
    exclude: Annotated[list[str] | None, Query(description="leave this check out")] = None,
) -> Response:
    """Tell whether requests can be served: all checks pass and no stop is under way."""
    state = request.app.state
    if state.stopping.is_set():
        return problems.plain(503, "this server is stopping")
    if unknown := set(exclude or ()) - set(state.checks):
        raise BadInput(f"exclude: no check {min(unknown)!r}; known are {', '.join(state.checks)}")
    checks = {name: check for name, check in state.checks.items() if name not in (exclude or ())}
    told = await _look(checks)
    wrong = [f"{name}: {words}" for name, words in told.items() if words]
    details = {"checks": {name: words or "ok" for name, words in told.items()}}
    if wrong:
        return problems.plain(503, "; ".join(wrong), {"Retry-After": "1"}, **details)
    return JSONResponse({"ready": True, **(details if verbose is not None else {})})


async def _look(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """Run all checks at once; gives what each says, in their order."""
    told: dict[str, str | None] = dict.fromkeys(checks)

    async def look(name: str, check: Check) -> None:
        told[name] = f"no answer within {READY_SECONDS:g} s"
        with anyio.move_on_after(READY_SECONDS):
            try:
                # A database that hangs keeps the thread, not the answer.
                told[name] = await run_sync(check, abandon_on_cancel=True)
            except Exception as error:
                logger.warning("a check failed: see to it", exc_info=error, extra={"check": name})
                told[name] = "failed; the server's log says why"

    async with anyio.create_task_group() as group:
        for name, check in checks.items():
            group.start_soon(look, name, check)
    return told


@router.get("/metrics", operation_id="metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Give the service's numbers in Prometheus' text format, as far as they are known."""
    return await numbers.answer(request.app)


@router.get("/version", operation_id="version")
async def version(request: Request) -> dict[str, str]:
    """Tell which service this is, and its version."""
    return {"service": request.app.title, "version": ganforge.__version__}
