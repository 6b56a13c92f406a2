"""The quality of versions, and the tag of the best one."""

from typing import Any

from sqlalchemy import Connection, Row, select, update

from ganforge.wire.quality import BEST, Quality, QualityReport
from ganforge.wire.weights import Promotion, QualityReply, VersionRef
from ganforge_chassis.database import take_turns
from ganforge_repository import catalog
from ganforge_repository.db.models import tags, versions


def keep(
    connection: Connection, network: str, tag: str, version: str, report: QualityReport
) -> QualityReply:
    """Keep the quality of a version, and point ``best`` at it when that was asked for and is due.

    All networks of the version's snapshot go with it, so that ``best`` names networks that were
    trained together. May be called again.

    Raises:
        NotFound: there is no such version.
    """
    take_turns(connection, BEST)
    row = catalog.find(connection, network, tag, version)
    here = (versions.c.network == network, versions.c.tag == tag, versions.c.version == row.version)
    told = report.quality.model_dump(mode="json", by_alias=True)
    connection.execute(update(versions).where(*here).values(quality=told))
    if report.promote and tag != BEST and _is_better(connection, row, report.quality):
        for part in _together(connection, row):
            source = VersionRef(tag=part.tag, version=part.version)
            catalog.promote(connection, part.network, BEST, Promotion(source=source))
    return QualityReply(
        version=catalog.show(connection, network, tag, str(row.version)),
        is_best=_is_best(connection, row),
    )


def _is_better(connection: Connection, row: Row[Any], quality: Quality) -> bool:
    """Tell whether a version is better than the best so far.

    Figures of another judge, or of another number of samples, cannot be compared: the newer one
    is taken then.
    """
    best = _best(connection, row.network)
    if best is None or best.quality is None:
        return True
    standing = Quality.model_validate(best.quality)
    is_alike = (standing.judge.digest, standing.samples) == (
        quality.judge.digest,
        quality.samples,
    )
    return not is_alike or quality.fcd < standing.fcd


def _is_best(connection: Connection, row: Row[Any]) -> bool:
    best = _best(connection, row.network)
    place = (row.tag, row.version)
    return best is not None and (best.parent_tag, best.parent_version) == place


def _best(connection: Connection, network: str) -> Row[Any] | None:
    """Find the version that ``best`` points at."""
    latest = select(tags.c.latest_version).where(tags.c.network == network, tags.c.tag == BEST)
    query = select(versions).where(
        versions.c.network == network,
        versions.c.tag == BEST,
        versions.c.version == latest.scalar_subquery(),
    )
    return connection.execute(query).one_or_none()


def _together(connection: Connection, row: Row[Any]) -> list[Row[Any]]:
    """List the versions of a version's snapshot, by network; itself when it has none."""
    if row.snapshot_id is None:
        return [row]
    query = select(versions).where(versions.c.snapshot_id == row.snapshot_id)
    return list(connection.execute(query.order_by(versions.c.network)))
