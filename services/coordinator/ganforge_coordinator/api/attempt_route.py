"""What learners write of their attempts: the hot path of the coordinator's HTTP edge."""

import inspect
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.types import Receive, Scope, Send

from ganforge.wire.tokens import Role
from ganforge_chassis.api_route import NOTHING, ApiRoute, check_address, read_json
from ganforge_chassis.tokens import admit
from ganforge_coordinator.api.deps import AttemptId, Service, own_attempt, read_wait

_ATTEMPT_ID: TypeAdapter[str] = TypeAdapter(AttemptId)


class AttemptRoute(ApiRoute):
    """A route below ``/v1/attempts/{attempt_id}``; all of them want the same, found here by hand.

    FastAPI tells of these endpoints in OpenAPI, and asks them in the same words; but to find out
    at every request what each wants took it two thirds of the time that a heartbeat took, and a
    thousand learners send three hundred requests a second. An endpoint takes ``attempt_id``,
    ``parts``, a body of its own model, and ``wait_seconds`` where it likes; a caller that may not
    write for the attempt does not reach it.
    """

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        wanted = get_type_hints(endpoint)
        models = {
            name: kind
            for name, kind in wanted.items()
            if name != "return" and inspect.isclass(kind) and issubclass(kind, BaseModel)
        }
        ((self._body_name, model),) = models.items()
        self._body = TypeAdapter(model)
        self._waits = "wait_seconds" in wanted

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        check_address(request)
        caller = await admit(request, Role.LEARNER)
        parts: Service = request.app.state.service
        attempt_id = _valid(_ATTEMPT_ID, request.path_params["attempt_id"], "path", "attempt_id")
        await own_attempt(attempt_id, caller, parts)
        body = _valid(self._body, await read_json(request), "body")
        wanted = {"attempt_id": attempt_id, "parts": parts, self._body_name: body}
        if self._waits:
            wanted["wait_seconds"] = await read_wait(request.headers.get("prefer"))
        reply: BaseModel | None = await self.endpoint(**wanted)
        if reply is None:
            return Response(status_code=self.status_code or 204)
        return Response(reply.model_dump_json(), media_type="application/json")


def _valid(kind: TypeAdapter[Any], value: Any, *at: str) -> Any:
    """Validate what came, as FastAPI does.

    Raises:
        RequestValidationError: with every wrong field.
    """
    if value is NOTHING:
        raise RequestValidationError([{"type": "missing", "loc": at, "msg": "Field required"}])
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        told = error.errors(include_url=False)
        raise RequestValidationError(
            [{**each, "loc": (*at, *each["loc"])} for each in told]
        ) from None
