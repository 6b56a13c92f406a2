"""``/v1/snapshots``: opening epochs and committing what was learnt; the learner's side."""

from fastapi import Response

from ganforge.wire.weights import OpenedEpoch, OpenEpoch, Snapshot, SnapshotCommit
from ganforge_chassis.api_route import api_router
from ganforge_repository import snapshots
from ganforge_repository.api.deps import Db, JobName, learns, reads

router = api_router("learner", prefix="/v1/snapshots")


@router.post("/{job}/open", operation_id="openEpoch", dependencies=[learns])
def open_epoch(database: Db, job: JobName, body: OpenEpoch) -> OpenedEpoch:
    """Open an epoch: from now on every older epoch of the job is refused.

    Answers with the snapshot to go on from. May be called again.
    """
    with database.write() as connection:
        return snapshots.open_epoch(connection, job, body)


@router.post(
    "/{job}",
    operation_id="commitSnapshot",
    dependencies=[learns],
    status_code=201,
    responses={200: {"model": Snapshot, "description": "it was committed before"}},
)
def commit_snapshot(
    database: Db, job: JobName, body: SnapshotCommit, response: Response
) -> Snapshot:
    """Commit a snapshot: versions of all networks and the training state, or nothing at all.

    The same body again answers the same snapshot again, with 200.
    """
    with database.write() as connection:
        snapshot, is_new = snapshots.commit(connection, job, body)
    if not is_new:
        response.status_code = 200
    return snapshot


@router.get("/{job}", operation_id="getSnapshot", dependencies=[reads])
def get_snapshot(database: Db, job: JobName) -> Snapshot:
    """Tell of the job's latest snapshot."""
    with database.read() as connection:
        return snapshots.latest(connection, job)
