"""Snapshots: what a job has learnt, committed as one, by its newest epoch alone."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from ganforge import digest
from ganforge.errors import BadWeights, Conflict, NotFound, StaleEpoch, UnknownName
from ganforge.wire.averages import averaged
from ganforge.wire.weights import (
    PNG,
    SAFETENSORS,
    OpenedEpoch,
    OpenEpoch,
    Snapshot,
    SnapshotCommit,
    SnapshotNetwork,
    Source,
)
from ganforge_chassis.clock import now_ms
from ganforge_repository import blobs, catalog, naming, networks
from ganforge_repository.db.models import job_epochs, snapshots, versions
from ganforge_repository.db.queries import insert_new, moment
from ganforge_repository.fit import require_fit


def open_epoch(connection: Connection, job: str, request: OpenEpoch) -> OpenedEpoch:
    """Refuse every older epoch of ``job`` from now on; may be called again.

    The snapshot is read behind the row lock: a commit of an older epoch that was under way is
    either in it or will be refused.

    Raises:
        StaleEpoch: a newer epoch is open already.
    """
    columns = {"epoch": request.epoch, "tag": request.tag, "opened_at": now_ms()}
    newer = update(job_epochs).where(job_epochs.c.job == job, job_epochs.c.epoch <= request.epoch)
    opened = (
        connection.execute(newer.values(**columns)).rowcount
        or insert_new(connection, job_epochs, job=job, **columns)
        # Somebody else inserted the job's first epoch in between.
        or connection.execute(newer.values(**columns)).rowcount
    )
    if not opened:
        raise _stale(job, _open_epoch(connection, job), request.epoch)
    return OpenedEpoch(epoch=request.epoch, snapshot=find_latest(connection, job))


def latest(connection: Connection, job: str) -> Snapshot:
    """Tell of the latest snapshot of ``job``.

    Raises:
        NotFound: there is none.
    """
    snapshot = find_latest(connection, job)
    if snapshot is None:
        raise NotFound(f"there is no snapshot of job {job}")
    return snapshot


def find_latest(connection: Connection, job: str) -> Snapshot | None:
    """Find the latest snapshot of ``job``, if there is one."""
    row = _latest_row(connection, job)
    return None if row is None else _as_snapshot(connection, row)


def commit(connection: Connection, job: str, body: SnapshotCommit) -> tuple[Snapshot, bool]:
    """Commit a snapshot; tells also whether it is new.

    The same body again gives the same snapshot again, so a lost answer does no harm.

    Raises:
        StaleEpoch: a newer epoch is open.
        Conflict: the epoch was never opened, or the iteration is not a step forward.
        UnknownName: there is no such network.
        BadWeights: a blob is missing or does not fit its network.
    """
    _guard(connection, job, body.epoch)
    before = _latest_row(connection, job)
    body_digest = _digest_of(body)
    if before is not None and before.epoch == body.epoch and before.iteration >= body.iteration:
        return _replayed(connection, job, body, body_digest), False
    _check(connection, body)
    values = {"state": body.state, "losses": body.losses, "config": body.config}
    place = {"epoch": body.epoch, "iteration": body.iteration, "tag": body.tag}
    inserted = insert(snapshots).values(
        job=job, **place, **values, body_digest=body_digest, created_at=now_ms()
    )
    snapshot_id = connection.execute(inserted.returning(snapshots.c.id)).scalar_one()
    parents = {} if before is None else _versions_of(connection, before.id)
    # By name: two jobs that write the same tags take the counters in the same order.
    for network in sorted(body.networks):
        _append(connection, job, body, network, snapshot_id, parents.get(network))
    return latest(connection, job), True


def _guard(connection: Connection, job: str, epoch: int) -> None:
    """Lock the job's row, and let only its newest epoch through."""
    guarded = update(job_epochs).where(job_epochs.c.job == job, job_epochs.c.epoch == epoch)
    if connection.execute(guarded.values(committed_at=now_ms())).rowcount == 1:
        return
    stored = _open_epoch(connection, job)
    if stored is not None and stored > epoch:
        raise _stale(job, stored, epoch)
    raise Conflict(f"epoch {epoch} of job {job} was never opened: open it first", epoch=stored)


def _open_epoch(connection: Connection, job: str) -> int | None:
    return connection.scalar(select(job_epochs.c.epoch).where(job_epochs.c.job == job))


def _stale(job: str, stored: int | None, epoch: int) -> StaleEpoch:
    return StaleEpoch(
        f"epoch {epoch} of job {job} is over, {stored} is open: drop everything of this attempt",
        epoch=stored,
    )


def _replayed(connection: Connection, job: str, body: SnapshotCommit, body_digest: str) -> Snapshot:
    row = connection.execute(
        select(snapshots).where(
            snapshots.c.job == job,
            snapshots.c.epoch == body.epoch,
            snapshots.c.iteration == body.iteration,
        )
    ).one_or_none()
    if row is None:
        raise Conflict(
            f"job {job} has a later snapshot than iteration {body.iteration} in this epoch"
        )
    if row.body_digest != body_digest:
        raise Conflict(
            f"iteration {body.iteration} of job {job} was committed before, with another body"
        )
    return _as_snapshot(connection, row)


def _check(connection: Connection, body: SnapshotCommit) -> None:
    found = _find_blobs(connection, body)
    for name in sorted(body.networks):
        row = _find_network(connection, name, body)
        signature = blobs.signature(found[body.networks[name].weights])
        require_fit(name, signature, networks.expected(row))


def _find_network(connection: Connection, name: str, body: SnapshotCommit) -> Row[Any]:
    """Find a network; a moving average of another one in the snapshot is defined when absent."""
    follows = averaged(name)
    try:
        if follows in body.networks:
            networks.define_average(connection, follows)
        return networks.find(connection, name, share=True)
    except NotFound:
        known = networks.names(connection)
        raise UnknownName(
            naming.unknown("network", name, known), known=known[: networks.KNOWN_SHOWN]
        ) from None


def _find_blobs(connection: Connection, body: SnapshotCommit) -> Mapping[str, Row[Any]]:
    wanted = {parts.weights: SAFETENSORS for parts in body.networks.values()}
    wanted |= {parts.samples: PNG for parts in body.networks.values() if parts.samples}
    if body.state:
        wanted[body.state] = SAFETENSORS
    found = blobs.find_all(connection, wanted)
    if missing := sorted(wanted.keys() - found.keys()):
        raise BadWeights(f"there is no blob {missing[0]}: upload it first", missing=missing)
    for name, media_type in wanted.items():
        if found[name].media_type != media_type:
            raise BadWeights(f"the blob {name} is {found[name].media_type}, not {media_type}")
    return found


def _append(
    connection: Connection,
    job: str,
    body: SnapshotCommit,
    network: str,
    snapshot_id: int,
    parent: Row[Any] | None,
) -> None:
    parts = body.networks[network]
    catalog.lock_tag(connection, network, body.tag)
    catalog.append(
        connection,
        network,
        body.tag,
        source=Source.SNAPSHOT,
        snapshot_id=snapshot_id,
        digest=parts.weights,
        samples=parts.samples,
        job=job,
        epoch=body.epoch,
        iteration=body.iteration,
        losses=body.losses,
        parent_tag=parent.tag if parent else None,
        parent_version=parent.version if parent else None,
    )


def _digest_of(body: SnapshotCommit) -> str:
    document = body.model_dump(mode="json")
    return digest.of_bytes(json.dumps(document, sort_keys=True).encode())


def _latest_row(connection: Connection, job: str) -> Row[Any] | None:
    query = select(snapshots).where(snapshots.c.job == job)
    return connection.execute(query.order_by(snapshots.c.id.desc()).limit(1)).one_or_none()


def _versions_of(connection: Connection, snapshot_id: int) -> dict[str, Row[Any]]:
    rows = connection.execute(select(versions).where(versions.c.snapshot_id == snapshot_id))
    return {row.network: row for row in rows}


def _as_snapshot(connection: Connection, row: Row[Any]) -> Snapshot:
    made = {
        network: SnapshotNetwork(
            version=version.version, weights=version.digest, samples=version.samples
        )
        for network, version in sorted(_versions_of(connection, row.id).items())
    }
    same = ("job", "epoch", "iteration", "tag", "state", "losses", "config")
    return Snapshot(
        **{name: getattr(row, name) for name in same},
        networks=made,
        created_at=moment(row.created_at),
    )
