"""What the endpoints are handed: who calls, the database, the store, names out of the path."""

from typing import Annotated

from fastapi import Depends, Path, Request

from ganforge.digest import PATTERN
from ganforge.errors import NotAllowed
from ganforge.wire.quality import JUDGE
from ganforge.wire.tokens import Role
from ganforge_chassis.database import Database
from ganforge_chassis.tokens import Caller, require
from ganforge_repository.blob_store import BlobStore

reads = Depends(require(Role.READ))
submits = Depends(require(Role.SUBMIT))
learns = Depends(require(Role.LEARNER))


async def _may_define(
    request: Request, caller: Annotated[Caller, Depends(require(Role.READ))]
) -> None:
    """Let people define networks and bring weights, and learners those of judges alone."""
    is_judge = str(request.path_params["network"]).startswith(JUDGE)
    wanted = {Role.SUBMIT, Role.LEARNER} if is_judge else {Role.SUBMIT}
    if not wanted & caller.role.reach:
        raise NotAllowed(f"this needs the role {Role.SUBMIT}; the token has {caller.role}")


defines = Depends(_may_define)


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _store(request: Request) -> BlobStore:
    store: BlobStore = request.app.state.store
    return store


async def _max_blob_bytes(request: Request) -> int:
    max_blob_bytes: int = request.app.state.max_blob_bytes
    return max_blob_bytes


Db = Annotated[Database, Depends(_database)]
Store = Annotated[BlobStore, Depends(_store)]
MaxBlobBytes = Annotated[int, Depends(_max_blob_bytes)]

NetworkName = Annotated[str, Path(description="the network's name", examples=["Generator"])]
TagName = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
        description="the tag: a line of versions",
        examples=["my-run"],
    ),
]
VersionNumber = Annotated[
    str,
    Path(
        pattern=r"^(latest|[1-9][0-9]{0,8})$",
        description="the version's number, or `latest`",
        examples=["latest"],
    ),
]
JobName = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", description="the job's id")
]
BlobDigest = Annotated[str, Path(pattern=PATTERN, description="the SHA-256 of the bytes")]
