"""The sample grids of a job: which versions there are, and where a page finds their pictures."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from ganforge_coordinator.db.models import snapshot_notes
from ganforge_coordinator.ledger import JobRow


@dataclass(frozen=True)
class Frame:
    """One version of the network that draws, and after how many iterations it was taken."""

    version: int
    iteration: int


def drawing_network(networks: list[str]) -> str:
    """Name the network whose versions carry the grids: a job names its generator first."""
    return networks[0]


def frames(connection: Connection, row: JobRow) -> list[Frame]:
    """List the versions that a job's snapshots made, oldest first."""
    network = drawing_network(row["networks"])
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
