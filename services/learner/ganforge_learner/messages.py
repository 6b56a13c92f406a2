"""What agent and trainer say to each other over their pipe."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganforge.networks import NetworkDefinition
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.learning import EarlyEnd, StrategyInfo

# The agent speaks.


@dataclass(frozen=True)
class Begin:
    """Train this job.

    ``weights`` (files by the network's name, moving averages among them) and ``state`` are there
    when the job goes on from a snapshot; ``weights`` alone when it starts from other weights, and
    empty when it starts from fresh ones.
    """

    job_id: str
    definitions: list[NetworkDefinition]
    dataset: str
    config: dict[str, Any]
    scratch: Path
    weights: dict[str, Path]
    state: Path | None
    retries: int = 0
    """How often the job has gone back after a loss that was not finite."""


@dataclass(frozen=True)
class Halt:
    """End after the iteration in hand, with a snapshot."""


@dataclass(frozen=True)
class Hold:
    """Wait, or go on: while the lease is in doubt nothing is computed that might be in vain."""

    waiting: bool


@dataclass(frozen=True)
class SnapshotPushed:
    """A snapshot has left the machine: its files are gone."""


# The trainer speaks.


@dataclass(frozen=True)
class Ready:
    """Everything is imported; ``device`` is what it computes on, ``labels`` tell of that.

    The datasets are those of plug-ins: only a process that has torch can ask them.
    """

    device: str
    strategies: list[StrategyInfo]
    datasets: list[DatasetInfo]
    labels: dict[str, str]


@dataclass(frozen=True)
class Started:
    """The first iteration is about to begin, or the next one after a snapshot."""

    iteration: int


@dataclass(frozen=True)
class Points:
    """Progress of iterations ``first, first + step, ...``, column by column."""

    first: int
    step: int
    series: dict[str, list[float | None]]
    iterations_per_second: float | None


@dataclass(frozen=True)
class Reached:
    """So many iterations are done, of which there is no progress to tell."""

    iteration: int


@dataclass(frozen=True)
class SnapshotTaken:
    """A snapshot lies in files: weights by network, grids of those that draw, training state."""

    iteration: int
    weights: dict[str, Path]
    samples: dict[str, Path]
    state: Path
    losses: dict[str, float | None]


@dataclass(frozen=True)
class Collapsed:
    """The generator has collapsed, as ``detail`` says; the training may go on."""

    iteration: int
    detail: str


@dataclass(frozen=True)
class Finished:
    """The job is done: the target is reached, it was halted, or ended by itself for a reason."""

    iteration: int
    reached_target: bool
    ending: EarlyEnd | None = None


@dataclass(frozen=True)
class Failed:
    """The job cannot go on."""

    slug: str
    detail: str
    iteration: int | None
    permanent: bool
    traceback: str = field(default="", repr=False)


FromAgent = Begin | Halt | Hold | SnapshotPushed
FromTrainer = Ready | Started | Points | Reached | SnapshotTaken | Collapsed | Finished | Failed
