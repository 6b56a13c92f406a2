"""Health and metrics: ``/livez``, ``/readyz``, ``/metrics``."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from ganforge_chassis import problems
from ganforge_chassis.database import Database

router = APIRouter(tags=["health"], responses=problems.RESPONSES)


@router.get("/livez", operation_id="livez", response_class=PlainTextResponse)
def livez() -> str:
    """Tell that the process runs; never touches the database."""
    return "ok"


@router.get("/readyz", operation_id="readyz")
def readyz(request: Request) -> Response:
    """Tell whether requests can be served: the database answers and no stop is under way."""
    state = request.app.state
    if state.stopping.is_set():
        return problems.plain(503, "this server is stopping")
    database: Database = state.database
    database.now_ms()
    return JSONResponse({"ready": True})


@router.get("/metrics", operation_id="metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Give the service's numbers in Prometheus' text format."""
    registry: CollectorRegistry = request.app.state.metrics
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
