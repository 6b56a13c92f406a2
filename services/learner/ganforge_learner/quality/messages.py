"""What agent and evaluator say to each other over their pipe: every call has one answer."""

from dataclasses import dataclass
from pathlib import Path

from ganforge.networks import NetworkDefinition
from ganforge.wire.quality import Figures

# The agent asks.


@dataclass(frozen=True)
class Open:
    """Read this dataset; answered with ``Opened``."""

    dataset: str


@dataclass(frozen=True)
class TrainJudge:
    """Train the judge of the dataset that is open, into this file; answered with ``Trained``."""

    to: Path


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a generator by the judge in a file; answered with ``Evaluated``."""

    judge: Path
    judge_digest: str
    definition: NetworkDefinition
    weights: Path
    samples: int
    seed: int


Question = Open | TrainJudge | Evaluate

# The evaluator answers.


@dataclass(frozen=True)
class Opened:
    """The dataset is read: its digest, the judge it needs, and what that one tells apart."""

    digest: str
    judge: NetworkDefinition
    task: str


@dataclass(frozen=True)
class Trained:
    """The judge's weights are in the file."""

    accuracy: float


@dataclass(frozen=True)
class Evaluated:
    """The figures of as many samples as could be compared."""

    figures: Figures
    floor: Figures
    samples: int
    accuracy: float


@dataclass(frozen=True)
class Refused:
    """It cannot be done; the words say why."""

    slug: str
    detail: str


Answer = Opened | Trained | Evaluated | Refused
