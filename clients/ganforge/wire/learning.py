"""The learner's side: registering, claiming, beating, reporting, completing."""

from enum import StrEnum
from typing import Any

from pydantic import Field, StrictBool, StrictFloat, StrictInt, model_validator

from ganforge.wire.datasets import BrokenDataset, DatasetInfo
from ganforge.wire.jobs import JobError, Name
from ganforge.wire.labels import Labels
from ganforge.wire.model import BodyModel, WireModel


class StrategyInfo(BodyModel):
    """A learning strategy and the keys it takes."""

    name: Name
    summary: str = Field(description="one sentence")
    config_schema: dict[str, Any] = Field(description="JSON Schema of its config keys")
    max_learners: int = Field(
        1, ge=1, le=64, description="how many learners can follow it together on one job"
    )


class Registration(BodyModel):
    """A learner presents itself."""

    name: str = Field(min_length=1, max_length=100, description="stays the same over restarts")
    boot_id: str = Field(min_length=8, max_length=64, description="random, new at every start")
    device: str = Field(max_length=200, description="what it computes on, such as cpu or cuda:0")
    labels: Labels = Field(default_factory=dict, description="what a targetFilter may ask for")
    version: str = Field(max_length=50, description="its ganforge version")
    datasets: list[DatasetInfo]
    broken_datasets: list[BrokenDataset] = Field(
        default_factory=list, description="so that a job naming one can be told why"
    )
    strategies: list[StrategyInfo]


class Registered(WireModel):
    """The coordinator's answer: the rhythm the learner is to keep."""

    id: str
    lease_seconds: float
    heartbeat_seconds: float


class LearnerState(StrEnum):
    """Whether a learner is given jobs."""

    ACTIVE = "ACTIVE"
    DRAINED = "DRAINED"
    QUARANTINED = "QUARANTINED"


class LearnerAction(StrEnum):
    """What admins can ask of a learner: the last part of ``POST /v1/learners/{id}/...``."""

    DRAIN = "drain"
    QUARANTINE = "quarantine"
    RESUME = "resume"


class Learner(WireModel):
    """A learner as the coordinator tells of it."""

    id: str
    name: str
    device: str
    labels: dict[str, str] = Field(description="what a targetFilter may ask for")
    version: str
    last_seen_seconds: float = Field(description="seconds since it was last heard of")
    is_alive: bool
    state: LearnerState = Field(
        LearnerState.ACTIVE, description="DRAINED and QUARANTINED ones are given no jobs"
    )
    job: str | None = Field(description="the job it works on")
    datasets: list[str]
    strategies: list[str]


class Claim(BodyModel):
    """A learner asks for work; repeating the key repeats the answer."""

    claim_key: str = Field(min_length=8, max_length=64)
    address: str | None = Field(
        None,
        max_length=255,
        description="host:port where the other learners of a job can reach this one",
    )


class Assignment(WireModel):
    """The right to work on a job, until the lease runs out."""

    attempt_id: str
    job_id: str
    epoch: int
    rank: int = Field(description="the learner's number among those that work on the job, from 0")
    world_size: int = Field(description="how many learners work on the job")
    rendezvous: str | None = Field(
        None, description="the address that rank 0 claimed with, where several work on the job"
    )
    networks: list[str]
    dataset: str
    config: dict[str, Any]
    tag: str
    lease_seconds: float
    retries: int = Field(0, ge=0, description="earlier attempts whose loss was not finite")


class Heartbeat(BodyModel):
    """The learner is alive; tells how far it is."""

    rank: int = Field(0, ge=0)
    iteration: int = Field(0, ge=0, lt=2**53, description="iterations done")
    started: StrictBool = Field(False, description="the trainer runs")
    waiting: StrictBool = Field(
        False, description="waits for a server or an evaluation: the stall deadline rests"
    )
    resume_iteration: int = Field(
        0, ge=0, lt=2**53, description="iterations done when the attempt began"
    )
    command_seen: str | None = Field(
        None, max_length=16, description="the command already known: no need to answer early"
    )


class Command(StrEnum):
    """What the learner is to do; a cancelled lease is simply lost."""

    RUN = "run"
    PAUSE = "pause"
    STOP = "stop"


class HeartbeatReply(WireModel):
    """The lease is renewed."""

    lease_seconds: float
    command: Command


class ProgressPush(BodyModel):
    """Evenly spaced points of progress: iterations ``first, first + step, ...``."""

    rank: int = Field(0, ge=0)
    seq: int = Field(
        ge=0, lt=2**53, description="counts the pushes of this attempt and rank from 0"
    )
    first: int = Field(ge=0, lt=2**53)
    step: int = Field(1, ge=1, lt=2**31)
    series: dict[str, list[StrictFloat | None]] = Field(
        min_length=1, max_length=32, description="minibatchLoss and the extras, columns"
    )
    iterations_per_second: float | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _same_length(self) -> "ProgressPush":
        lengths = {len(column) for column in self.series.values()}
        if len(lengths) != 1 or not 1 <= lengths.pop() <= MAX_POINTS:
            raise ValueError(f"the columns must have one common length of 1 to {MAX_POINTS}")
        return self

    @property
    def count(self) -> int:
        """How many points there are."""
        return len(next(iter(self.series.values())))


MAX_POINTS = 4096


class ProgressReply(WireModel):
    """The points are kept."""

    applied: bool = Field(description="false when they had been kept before")
    next_seq: int


class SnapshotNote(BodyModel):
    """A snapshot was committed at the repository."""

    rank: int = Field(0, ge=0)
    iteration: int = Field(ge=0, lt=2**53, description="iterations done in the snapshot")
    versions: dict[str, StrictInt] = Field(description="the new version of each network")


class CollapseNote(BodyModel):
    """The generator has collapsed."""

    rank: int = Field(0, ge=0)
    iteration: int = Field(ge=0, lt=2**53, description="iterations done when it was seen")
    detail: str = Field(min_length=1, max_length=1000, description="how it shows")


class EarlyEnd(StrEnum):
    """Why a job ended by itself before its target, with what it had learnt."""

    LEVELLED_OFF = "LEVELLED_OFF"
    COLLAPSED = "COLLAPSED"


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "SUCCEEDED"
    RELEASED = "RELEASED"
    FAILED = "FAILED"


class Completion(BodyModel):
    """The attempt is over."""

    rank: int = Field(0, ge=0)
    outcome: Outcome
    iteration: int = Field(ge=0, lt=2**53, description="iterations done")
    ending: EarlyEnd | None = Field(None, description="why it ended by itself before its target")
    error: JobError | None = None
    permanent: StrictBool = Field(False, description="another try would fail the same way")
