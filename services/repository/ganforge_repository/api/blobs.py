"""``/v1/blobs``: bytes in and out by their digest; the learner's side."""

from anyio.to_thread import run_sync
from fastapi import HTTPException, Request, Response

from ganforge.wire.weights import PNG, SAFETENSORS, Blob
from ganforge_chassis.api_route import api_router
from ganforge_chassis.database import Database
from ganforge_repository import blobs
from ganforge_repository.api import streams
from ganforge_repository.api.deps import BlobDigest, Db, MaxBlobBytes, Store, learns
from ganforge_repository.blob_store import BlobStore
from ganforge_repository.checks import check_for
from ganforge_repository.upload import Received

router = api_router("learner")


@router.put(
    "/v1/blobs/{digest}",
    operation_id="putBlob",
    dependencies=[learns],
    response_model=Blob,
    responses={201: {"model": Blob, "description": "the bytes are new"}},
    openapi_extra={"requestBody": {"required": True, "content": {SAFETENSORS: {}, PNG: {}}}},
)
async def put_blob(
    request: Request,
    database: Db,
    store: Store,
    max_bytes: MaxBlobBytes,
    digest: BlobDigest,
    response: Response,
) -> Blob:
    """Bring bytes, to be named in a snapshot later; bringing them twice does no harm."""
    media_type = streams.media_type_of(request)
    check = check_for(media_type)
    if check is None:
        raise HTTPException(415, f"blobs are sent as Content-Type: {SAFETENSORS} or {PNG}")
    received = await streams.receive(
        request, store, check, media_type=media_type, max_bytes=max_bytes, digest=digest
    )
    response.status_code = 201 if await run_sync(_register, database, store, received) else 200
    return Blob(digest=digest, size_bytes=received.size_bytes, media_type=media_type)


@router.get(
    "/v1/blobs/{digest}",
    operation_id="getBlob",
    dependencies=[learns],
    response_class=Response,
    responses=streams.answers("the bytes", SAFETENSORS, PNG),
)
def get_blob(request: Request, database: Db, store: Store, digest: BlobDigest) -> Response:
    """Fetch bytes; takes `If-None-Match`, `Range` and `If-Range`."""
    with database.read() as connection:
        row = blobs.find(connection, digest)
    return streams.send(
        request,
        store,
        content=row.content,
        digest=row.digest,
        size=row.size_bytes,
        media_type=row.media_type,
        headers={"Cache-Control": streams.IMMUTABLE},
    )


def _register(database: Database, store: BlobStore, received: Received) -> bool:
    with blobs.registering(database, store, received) as (_, is_new):
        return is_new
