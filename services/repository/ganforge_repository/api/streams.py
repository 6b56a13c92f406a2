"""Bytes in and out, in pieces of 1 MiB: memory does not grow with the file."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from ganforge.errors import BadInput
from ganforge_chassis.conditional import Unsatisfiable, is_named, wanted_range
from ganforge_repository.blob_store import CHUNK_BYTES, BlobStore
from ganforge_repository.checks import Check
from ganforge_repository.upload import Received, Upload, too_large

DRAINED_BYTES = 64 << 20

MUST_REVALIDATE = "private, no-cache"
IMMUTABLE = "private, max-age=31536000, immutable"


def answers(what: str, *media_types: str) -> dict[int | str, dict[str, Any]]:
    """Give the answers of ``send`` as OpenAPI tells of them."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    content = {"content": dict.fromkeys(media_types, binary)}
    return {
        200: {"description": what, **content},
        206: {"description": f"the part of {what} that Range asks for", **content},
        304: {"description": "it is still what If-None-Match names"},
    }


def media_type_of(request: Request) -> str:
    """Read the Content-Type, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def receive(
    request: Request,
    store: BlobStore,
    check: Check,
    *,
    media_type: str,
    max_bytes: int,
    digest: str | None = None,
) -> Received:
    """Take the request's body into the store; nothing stays there when it is refused or cut off.

    Raises:
        TooLarge: the body is larger than ``max_bytes``; known from Content-Length already.
        BadInput: the body is not what ``check`` or ``digest`` ask for.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large(max_bytes)
    upload = await run_sync(
        lambda: Upload(store, check, media_type=media_type, max_bytes=max_bytes, digest=digest)
    )
    blocks = request.stream()
    try:
        await _feed(blocks, upload)
        return await run_sync(upload.finish)
    except BaseException as error:
        # Shielded: also a cancelled request leaves nothing behind.
        with anyio.CancelScope(shield=True):
            await run_sync(upload.discard)
        if isinstance(error, BadInput):
            await _drain(blocks)
        raise


async def _feed(blocks: AsyncIterator[bytes], upload: Upload) -> None:
    buffer = bytearray()
    async for block in blocks:
        buffer += block
        while len(buffer) >= CHUNK_BYTES:
            await run_sync(upload.feed, bytes(buffer[:CHUNK_BYTES]))
            del buffer[:CHUNK_BYTES]
    if buffer:
        await run_sync(upload.feed, bytes(buffer))


async def _drain(blocks: AsyncIterator[bytes]) -> None:
    """Read on for a while: a connection closed with bytes unread may lose the answer."""
    rest = DRAINED_BYTES
    async for block in blocks:
        rest -= len(block)
        if rest < 0:
            return


def send(
    request: Request,
    store: BlobStore,
    *,
    content: str,
    digest: str,
    size: int,
    media_type: str,
    headers: dict[str, str],
) -> Response:
    """Answer with a file, a part of it, or that the caller has it already.

    Implements RFC 9110, sections 13.1.2, 13.1.5 and 14.2, and RFC 9530's Repr-Digest.

    Args:
        request: a GET.
        store: where the bytes are.
        content: the store's name for them.
        digest: their SHA-256, which is the strong entity tag.
        size: how many there are.
        media_type: what they are.
        headers: further headers.
    """
    headers = headers | {"ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
    if is_named(digest, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=headers)
    hashed = base64.b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).decode()
    headers |= {"Repr-Digest": f"sha-256=:{hashed}:", "Content-Length": str(size)}
    part = wanted_range(
        request.headers.get("range"), request.headers.get("if-range"), opaque=digest, size=size
    )
    if isinstance(part, Unsatisfiable):
        raise HTTPException(
            416, f"the file has {size} bytes", headers={"Content-Range": f"bytes */{size}"}
        )
    begin, end = part or (0, size)
    if part:
        headers |= {
            "Content-Range": f"bytes {begin}-{end - 1}/{size}",
            "Content-Length": str(end - begin),
        }
    return StreamingResponse(
        store.read(content, begin, end),
        status_code=206 if part else 200,
        headers=headers,
        media_type=media_type,
    )
