"""``.../versions``: the immutable versions of a network's weights."""

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import Header, HTTPException, Request, Response

from ganforge.errors import NotFound
from ganforge.wire.quality import QualityReport
from ganforge.wire.weights import (
    LATEST,
    PNG,
    SAFETENSORS,
    Diff,
    QualityReply,
    Version,
    VersionPage,
)
from ganforge_chassis.api_route import api_router
from ganforge_chassis.database import Database
from ganforge_chassis.paging import PagesOf100
from ganforge_repository import blobs, catalog, difference, networks, quality
from ganforge_repository.api import streams
from ganforge_repository.api.deps import (
    Db,
    MaxBlobBytes,
    NetworkName,
    Store,
    TagName,
    VersionNumber,
    defines,
    learns,
    reads,
)
from ganforge_repository.blob_store import BlobStore
from ganforge_repository.checks import SafetensorsCheck
from ganforge_repository.fit import Signature
from ganforge_repository.upload import Received

router = api_router("weights", prefix="/v1/networks/{network}/tags/{tag}/versions")

_TAKEN = (SAFETENSORS, "application/octet-stream")


@router.get("", operation_id="listVersions", dependencies=[reads])
def list_versions(
    database: Db,
    network: NetworkName,
    tag: TagName,
    pages: PagesOf100,
) -> VersionPage:
    """List the versions of a tag, newest first."""
    with database.read() as connection:
        rows = catalog.version_listing(
            connection, network, tag, before=pages.after(), limit=pages.limit
        )
    items, token = pages.cut(rows, lambda row: row.version)
    return VersionPage(items=list(items), next_page_token=token)


@router.post(
    "",
    operation_id="pushVersion",
    dependencies=[defines],
    status_code=201,
    response_model=Version,
    openapi_extra={"requestBody": {"required": True, "content": {SAFETENSORS: {}}}},
)
async def push_version(
    request: Request,
    database: Db,
    store: Store,
    max_bytes: MaxBlobBytes,
    network: NetworkName,
    tag: TagName,
    response: Response,
    idempotency_key: Annotated[
        str | None, Header(max_length=255, description="the same key gives the same version")
    ] = None,
) -> Version:
    """Bring weights from elsewhere: a safetensors file with exactly the network's tensors."""
    media_type = streams.media_type_of(request)
    if media_type not in _TAKEN:
        raise HTTPException(415, f"weights are sent as Content-Type: {SAFETENSORS}")
    expected = await run_sync(_expected, database, network)
    received = await streams.receive(
        request,
        store,
        SafetensorsCheck(network, expected),
        media_type=SAFETENSORS,
        max_bytes=max_bytes,
    )
    version = await run_sync(_publish, database, store, received, network, tag, idempotency_key)
    response.headers["Location"] = version.links.weights.removesuffix("/weights")
    return version


@router.get("/{version}", operation_id="getVersion", dependencies=[reads])
def get_version(
    database: Db, network: NetworkName, tag: TagName, version: VersionNumber
) -> Version:
    """Tell of one version: digest, size, tensors, where it came from."""
    with database.read() as connection:
        return catalog.show(connection, network, tag, version)


@router.get(
    "/{version}/weights",
    operation_id="getWeights",
    dependencies=[reads],
    response_class=Response,
    responses=streams.answers("the safetensors file", SAFETENSORS),
)
def get_weights(
    request: Request,
    database: Db,
    store: Store,
    network: NetworkName,
    tag: TagName,
    version: VersionNumber,
) -> Response:
    """Fetch the weights; takes `If-None-Match`, `Range` and `If-Range`."""
    with database.read() as connection:
        row = catalog.find(connection, network, tag, version)
    name = f"{network}@{tag}-{row.version}.safetensors"
    path = f"/v1/networks/{network}/tags/{tag}/versions/{row.version}/weights"
    headers = {
        "Cache-Control": streams.MUST_REVALIDATE if version == LATEST else streams.IMMUTABLE,
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Location": path,
    }
    return streams.send(
        request,
        store,
        content=row.content,
        digest=row.digest,
        size=row.size_bytes,
        media_type=SAFETENSORS,
        headers=headers,
    )


@router.get(
    "/{version}/samples.png",
    operation_id="getSamples",
    dependencies=[reads],
    response_class=Response,
    responses=streams.answers("the sample grid", PNG),
)
def get_samples(
    request: Request,
    database: Db,
    store: Store,
    network: NetworkName,
    tag: TagName,
    version: VersionNumber,
) -> Response:
    """Fetch the sample grid that the learner drew when the version was taken."""
    with database.read() as connection:
        row = catalog.find(connection, network, tag, version)
        if row.samples is None:
            raise NotFound(f"no samples were drawn of {network}@{tag}:{row.version}")
        blob = blobs.find(connection, row.samples)
    caching = streams.MUST_REVALIDATE if version == LATEST else streams.IMMUTABLE
    return streams.send(
        request,
        store,
        content=blob.content,
        digest=blob.digest,
        size=blob.size_bytes,
        media_type=PNG,
        headers={"Cache-Control": caching},
    )


@router.put("/{version}/quality", operation_id="putQuality", dependencies=[learns])
def put_quality(
    database: Db,
    network: NetworkName,
    tag: TagName,
    version: VersionNumber,
    report: QualityReport,
) -> QualityReply:
    """Keep the quality of a version; `promote` points the tag `best` at it when it is the best."""
    with database.write() as connection:
        return quality.keep(connection, network, tag, version, report)


@router.get("/{a}/diff/{b}", operation_id="diffVersions", dependencies=[reads])
def diff_versions(
    database: Db,
    store: Store,
    network: NetworkName,
    tag: TagName,
    a: VersionNumber,
    b: VersionNumber,
) -> Diff:
    """Tell tensor by tensor how version `b` differs from version `a`."""
    with database.read() as connection:
        rows = [catalog.find(connection, network, tag, version) for version in (a, b)]
    return difference.between(store, *rows)


def _expected(database: Database, network: str) -> Signature:
    with database.read() as connection:
        return networks.expected(networks.find(connection, network))


def _publish(
    database: Database,
    store: BlobStore,
    received: Received,
    network: str,
    tag: str,
    idempotency_key: str | None,
) -> Version:
    with blobs.registering(database, store, received) as (connection, _):
        return catalog.push(
            connection, network, tag, received.digest, idempotency_key=idempotency_key
        )
