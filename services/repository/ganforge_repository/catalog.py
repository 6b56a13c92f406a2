"""The catalog: tags of networks, and the immutable versions that stand in them."""

from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from ganforge.errors import IdempotencyKeyReused, NotFound
from ganforge.wire.weights import (
    LATEST,
    Promotion,
    Source,
    TagSummary,
    TensorInfo,
    Version,
    VersionLinks,
    VersionRef,
    VersionSummary,
)
from ganforge_chassis.clock import now_ms
from ganforge_repository import blobs, naming, networks
from ganforge_repository.db.models import blobs as blob_table
from ganforge_repository.db.models import tags, versions
from ganforge_repository.db.queries import insert_new, moment
from ganforge_repository.fit import require_fit


def tag_listing(
    connection: Connection, network: str, *, after: str | None, limit: int
) -> list[TagSummary]:
    """List the tags of a network by name, beginning behind ``after``.

    Raises:
        NotFound: there is no such network.
    """
    networks.find(connection, network)
    query = select(tags).where(tags.c.network == network).order_by(tags.c.tag).limit(limit)
    if after is not None:
        query = query.where(tags.c.tag > after)
    return [
        TagSummary(
            tag=row.tag,
            latest_version=row.latest_version,
            created_at=moment(row.created_at),
            updated_at=moment(row.updated_at),
        )
        for row in connection.execute(query)
    ]


def version_listing(
    connection: Connection, network: str, tag: str, *, before: int | None, limit: int
) -> list[VersionSummary]:
    """List the versions of a tag, newest first, beginning with the one older than ``before``.

    Raises:
        NotFound: there is no such network or tag.
    """
    _require_tag(connection, network, tag)
    query = _in_tag(network, tag).order_by(versions.c.version.desc()).limit(limit)
    if before is not None:
        query = query.where(versions.c.version < before)
    return [VersionSummary(**_summary(row)) for row in connection.execute(query)]


def show(connection: Connection, network: str, tag: str, version: str) -> Version:
    """Tell of one version.

    Raises:
        NotFound: there is none.
    """
    return as_version(find(connection, network, tag, version))


def find(connection: Connection, network: str, tag: str, version: str) -> Row[Any]:
    """Find a version's row joined with its blob's.

    Args:
        connection: the transaction.
        network: the network's name.
        tag: the tag's name.
        version: a number, or ``latest``.

    Raises:
        NotFound: there is no such network, tag or version.
    """
    query = _in_tag(network, tag)
    if version == LATEST:
        query = query.order_by(versions.c.version.desc()).limit(1)
    else:
        query = query.where(versions.c.version == int(version))
    row = connection.execute(query).one_or_none()
    if row is None:
        latest = _require_tag(connection, network, tag)
        raise NotFound(
            f"there is no version {version} of {network}@{tag}: they go from 1 to {latest}",
            latestVersion=latest,
        )
    return row


def push(
    connection: Connection, network: str, tag: str, digest: str, *, idempotency_key: str | None
) -> Version:
    """Append a blob, brought by a person, to a tag.

    Args:
        connection: the transaction.
        network: whose weights the blob holds.
        tag: the tag, which is made when there is none.
        digest: the blob.
        idempotency_key: a key that gives the same version again when it comes again.

    Raises:
        NotFound: there is no such network.
        BadWeights: the network was defined anew meanwhile, and the weights do not fit.
        IdempotencyKeyReused: the key came with other weights before.
    """
    row = networks.find(connection, network, share=True)
    require_fit(network, blobs.signature(blobs.find(connection, digest)), networks.expected(row))
    lock_tag(connection, network, tag)
    # Behind the lock: nobody else appends the same key meanwhile.
    if idempotency_key is not None and (
        known := connection.execute(
            _in_tag(network, tag).where(versions.c.idempotency_key == idempotency_key)
        ).one_or_none()
    ):
        if known.digest != digest:
            raise IdempotencyKeyReused("this Idempotency-Key came with other weights before")
        return as_version(known)
    number = append(
        connection,
        network,
        tag,
        digest=digest,
        source=Source.PUSH,
        losses={},
        idempotency_key=idempotency_key,
    )
    return show(connection, network, tag, str(number))


def promote(connection: Connection, network: str, tag: str, promotion: Promotion) -> Version:
    """Append an existing version to a tag; no bytes are copied.

    Promoting what the tag's latest version is already changes nothing.

    Raises:
        NotFound: there is no such network or version.
    """
    source = promotion.source
    row = find(connection, network, source.tag, str(source.version))
    if number := lock_tag(connection, network, tag):
        latest = find(connection, network, tag, str(number))
        is_same = (latest.parent_tag, latest.parent_version) == (source.tag, source.version)
        if is_same and latest.source == Source.PROMOTE:
            return as_version(latest)
    kept = ("digest", "samples", "job", "epoch", "iteration", "losses", "quality")
    columns = {name: getattr(row, name) for name in kept}
    parent = {"parent_tag": source.tag, "parent_version": source.version}
    number = append(connection, network, tag, source=Source.PROMOTE, **columns, **parent)
    return show(connection, network, tag, str(number))


def lock_tag(connection: Connection, network: str, tag: str) -> int:
    """Let nobody else append to a tag until the transaction ends, making it when there is none.

    Returns:
        The latest version; 0 when there is none yet.
    """
    born = {"latest_version": 0, "created_at": now_ms(), "updated_at": now_ms()}
    insert_new(connection, tags, network=network, tag=tag, **born)
    query = select(tags.c.latest_version).where(tags.c.network == network, tags.c.tag == tag)
    return int(connection.execute(query.with_for_update()).scalar_one())


def append(connection: Connection, network: str, tag: str, **columns: Any) -> int:
    """Write the next version of a tag and give its number.

    The counter's row is locked until the transaction ends, so a number that is rolled back is
    the next one's again: there are no gaps. The tag has to be there: see ``lock_tag``.
    """
    counted = (
        update(tags)
        .where(tags.c.network == network, tags.c.tag == tag)
        .values(latest_version=tags.c.latest_version + 1, updated_at=now_ms())
        .returning(tags.c.latest_version)
    )
    number = int(connection.execute(counted).scalar_one())
    values = {"network": network, "tag": tag, "version": number, "created_at": now_ms()}
    connection.execute(insert(versions).values(**values, **columns))
    return number


def as_version(row: Row[Any]) -> Version:
    """Tell of a version by its row."""
    tensors = [
        TensorInfo(name=tensor["name"], dtype=tensor["dtype"], shape=tensor["shape"])
        for tensor in row.tensors
    ]
    return Version(**_summary(row), tensors=tensors)


def _in_tag(network: str, tag: str) -> Select[Any]:
    blob = (
        blob_table.c.size_bytes,
        blob_table.c.nonfinite_count,
        blob_table.c.content,
        blob_table.c.data_start,
        blob_table.c.tensors,
    )
    query = select(versions, *blob).join(blob_table, versions.c.digest == blob_table.c.digest)
    return query.where(versions.c.network == network, versions.c.tag == tag)


def _require_tag(connection: Connection, network: str, tag: str) -> int:
    networks.find(connection, network)
    query = select(tags.c.tag, tags.c.latest_version).where(tags.c.network == network)
    known: dict[str, int] = {row.tag: row.latest_version for row in connection.execute(query)}
    if tag not in known:
        detail = naming.unknown(f"tag of {network}", tag, known.keys())
        raise NotFound(detail, known=sorted(known)[: networks.KNOWN_SHOWN])
    return known[tag]


def _summary(row: Row[Any]) -> dict[str, Any]:
    path = f"/v1/networks/{row.network}/tags/{row.tag}/versions/{row.version}"
    samples = f"{path}/samples.png" if row.samples else None
    parent = None
    if row.parent_tag is not None:
        parent = VersionRef(tag=row.parent_tag, version=row.parent_version)
    same = ("network", "tag", "version", "digest", "size_bytes", "nonfinite_count")
    learnt = ("job", "epoch", "iteration", "losses", "quality")
    return {
        **{name: getattr(row, name) for name in same + learnt},
        "source": Source(row.source),
        "parent": parent,
        "created_at": moment(row.created_at),
        "links": VersionLinks(weights=f"{path}/weights", samples=samples),
    }
