"""The sample grids of a job: which versions there are, and where a page finds their pictures."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from ganforge.wire.averages import average_of
from ganforge_coordinator.db.models import snapshot_notes
from ganforge_coordinator.ledger import JobRow


@dataclass(frozen=True)
class Frame:
    """One version of the network that draws, and after how many iterations it was taken."""

    version: int
    iteration: int


def drawing_network(
    networks: list[str], config: Mapping[str, Any], weights: Collection[str]
) -> str:
    """Name the network whose grids are shown: the generator's moving average where there is one.

    Args:
        networks: a job's networks; it names its generator first.
        config: the job's keys.
        weights: the networks that the job has stored weights of; none at first.
    """
    average = average_of(networks[0])
    is_kept = average in weights if weights else config.get("ema") is not None
    return average if is_kept else networks[0]


def frames(connection: Connection, row: JobRow) -> list[Frame]:
    """List the versions that a job's snapshots made, oldest first."""
    network = drawing_network(row["networks"], row["config"], row["weights"])
    noted = connection.execute(
        select(snapshot_notes.c.versions, snapshot_notes.c.iteration).where(
            snapshot_notes.c.job_id == row["id"]
        )
    )
    found = [Frame(versions[network], n) for versions, n in noted if network in versions]
    return sorted(found, key=lambda frame: frame.version)


def thinned(all_frames: list[Frame], most: int) -> list[Frame]:
    """Keep at most ``most`` frames, evenly spread, the first and the last among them."""
    if len(all_frames) <= most:
        return all_frames
    last = len(all_frames) - 1
    return [all_frames[round(place * last / (most - 1))] for place in range(most)]
