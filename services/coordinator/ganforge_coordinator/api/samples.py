"""Sample grids, fetched from the repository for the pages."""

import logging
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response

from ganforge.errors import GanforgeError, NotFound
from ganforge.wire.jobs import Name
from ganforge_chassis import problems
from ganforge_chassis.api_route import ApiRoute
from ganforge_coordinator import ledger
from ganforge_coordinator.api.deps import READER, Parts, Service
from ganforge_coordinator.web.page import HEADERS

router = APIRouter(include_in_schema=False, route_class=ApiRoute)
logger = logging.getLogger(__name__)

YEAR = 365 * 86_400

NO_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 80">'
    '<path d="M12 12h56v56H12z" fill="none" stroke="#8a8a84" stroke-dasharray="4 4"/>'
    '<path d="M30 30l20 20M50 30L30 50" stroke="#8a8a84" stroke-width="2"/></svg>'
)


@router.get("/jobs/{job_id}/samples/{network}/{version}.png", dependencies=[READER])
def sample_grid(
    job_id: str,
    network: Name,
    version: Annotated[int, Path(ge=1)],
    request: Request,
    parts: Parts,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Give the grid drawn with a version; it never changes, so browsers keep it."""
    with parts.database.read() as connection:
        row = ledger.find(connection, job_id)
    etag = f'"{network}-{row["tag"]}-{version}"'
    lasting = {"ETag": etag, "Cache-Control": f"private, max-age={YEAR}, immutable"}
    headers = {**HEADERS, **lasting}
    if if_none_match == etag:
        return Response(status_code=304, headers=headers)
    try:
        # Moving averages are not among the networks that the job was submitted with.
        known = list(dict.fromkeys([*row["networks"], *row["weights"]]))
        png = _fetch(parts, known, network, row["tag"], version)
    except GanforgeError as error:
        return _without(request, error)
    return Response(png, media_type="image/png", headers=headers)


def _fetch(parts: Service, networks: list[str], network: str, tag: str, version: int) -> bytes:
    if network not in networks:
        raise NotFound(f"the job has no network {network!r}; it has {', '.join(networks)}")
    if parts.repository is None:
        raise NotFound(
            "this coordinator knows no repository: set GANFORGE_COORDINATOR_REPOSITORY_URL"
        )
    return parts.repository.samples(network, tag, version)


def _without(request: Request, error: GanforgeError) -> Response:
    """Answer an <img> with a picture that says there is none, anybody else with the problem."""
    logger.info("there is no grid to show", extra={"why": error.detail})
    if "image/" not in request.headers.get("accept", ""):
        return problems.answer(error)
    headers = {**HEADERS, "Cache-Control": "no-store"}
    return Response(
        NO_PICTURE, status_code=error.status, media_type="image/svg+xml", headers=headers
    )
