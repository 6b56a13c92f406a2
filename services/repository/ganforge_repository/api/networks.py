"""``/v1/networks``: the architectures."""

from typing import Annotated

from fastapi import Header, Request, Response
from fastapi.responses import JSONResponse

from ganforge.errors import PreconditionFailed
from ganforge.networks import NetworkDefinition
from ganforge.wire.jobs import Name
from ganforge.wire.weights import NetworkPage, NetworkSummary
from ganforge_chassis.api_route import api_router
from ganforge_chassis.conditional import is_named, is_strongly_named
from ganforge_chassis.paging import PagesOf100
from ganforge_repository import networks
from ganforge_repository.api.deps import Db, NetworkName, defines, reads

router = api_router("networks")


@router.get("/v1/networks", operation_id="listNetworks", dependencies=[reads])
def list_networks(database: Db, pages: PagesOf100) -> NetworkPage:
    """List the networks by name."""
    with database.read() as connection:
        rows = networks.listing(connection, after=pages.after(), limit=pages.limit)
    items, token = pages.cut(rows, lambda row: row.name)
    return NetworkPage(items=list(items), next_page_token=token)


@router.get(
    "/v1/networks/{network}",
    operation_id="getNetwork",
    dependencies=[reads],
    response_model=NetworkSummary,
    responses={304: {"description": "it is still what If-None-Match names"}},
)
def get_network(request: Request, database: Db, network: NetworkName) -> Response:
    """Tell of one network; `ETag` is the digest of its definition."""
    with database.read() as connection:
        shown = networks.show(connection, network)
    if is_named(shown.etag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers={"ETag": f'"{shown.etag}"'})
    return _answer(shown)


@router.put(
    "/v1/networks/{network}",
    operation_id="putNetwork",
    dependencies=[defines],
    response_model=NetworkSummary,
    responses={201: {"model": NetworkSummary, "description": "the network is new"}},
)
def put_network(
    database: Db,
    network: Name,
    definition: NetworkDefinition,
    if_match: Annotated[str | None, Header(description="entity tags it may have now")] = None,
    if_none_match: Annotated[str | None, Header(description="`*`: only when it is new")] = None,
) -> Response:
    """Define a network, or define it anew.

    Once it has weights, its tensors may not change any more.
    """
    with database.write() as connection:
        _require_precondition(networks.etag(connection, network), if_match, if_none_match)
        is_new = networks.put(connection, network, definition)
        shown = networks.show(connection, network)
    return _answer(shown, 201 if is_new else 200)


def _require_precondition(
    etag: str | None, if_match: str | None, if_none_match: str | None
) -> None:
    """Hold a change back where the network is not what the caller believes (RFC 9110, 13.1)."""
    if if_match is not None and (etag is None or not is_strongly_named(etag, if_match)):
        raise PreconditionFailed("the network is not the one that If-Match names: look again")
    if etag is not None and is_named(etag, if_none_match):
        raise PreconditionFailed("the network is there already, which If-None-Match excludes")


def _answer(shown: NetworkSummary, status: int = 200) -> Response:
    body = shown.model_dump(mode="json", by_alias=True)
    return JSONResponse(body, status_code=status, headers={"ETag": f'"{shown.etag}"'})
