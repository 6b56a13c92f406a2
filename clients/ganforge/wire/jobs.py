"""Learn jobs: what people submit and what they are told of it."""

import math
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from ganforge.wire.labels import LabelSelector
from ganforge.wire.model import BodyModel, WireModel
from ganforge.wire.progress import LearnProgress

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
"""The name of a network, dataset or strategy."""

LdapFilter = Annotated[str, Field(min_length=1, max_length=4096)]
"""A filter in the syntax of RFC 4515, such as ``(os=linux)``."""


def _one_of_both(value: Any) -> Any:
    # Told apart here, so that what is wrong with an object is told of the object alone.
    if isinstance(value, dict):
        return LabelSelector.model_validate(value)
    if value is None or isinstance(value, str | LabelSelector):
        return value
    raise ValueError("give a text such as (os=linux), or an object with matchLabels")


TargetFilter = Annotated[LdapFilter | LabelSelector | None, BeforeValidator(_one_of_both)]
"""Which learners may work on a job; None: any."""


class JobState(StrEnum):
    """Where a job is; SUCCEEDED, FAILED and CANCELLED are final until it is retried."""

    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the job is over."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Desired(StrEnum):
    """What the job's owner wants of it."""

    RUN = "RUN"
    PAUSE = "PAUSE"
    STOP = "STOP"
    CANCEL = "CANCEL"


class JobAction(StrEnum):
    """What people can ask of a job: the last part of ``POST /v1/jobs/{id}/...``."""

    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"


class LearnJob(BodyModel):
    """A learn job as people submit it."""

    networks: list[Name] | None = Field(
        None,
        min_length=1,
        max_length=8,
        description="the networks to learn, in the order the strategy takes them; the recipe's "
        "when not given",
        examples=[["Generator", "Discriminator"]],
    )
    dataset: Name | None = Field(
        None,
        description="the dataset to learn from; the recipe's when not given",
        examples=["MNIST"],
    )
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="the strategy's config keys; see GET /v1/strategies",
        examples=[{"strategy": "GANLearningStrategy", "generatorDim": 10, "batchSize": 16}],
    )
    name: str | None = Field(None, min_length=1, max_length=200, description="a name for people")
    target_count: int = Field(1, ge=1, le=64, description="how many learners work on it, together")
    target_filter: TargetFilter = Field(
        None,
        description="which learners may work on it, by their labels: matchLabels and "
        "matchExpressions as in Kubernetes, or an LDAP filter as DIANNE takes it",
        examples=["(&(os=linux)(gpu.count>=1))"],
    )
    priority: int = Field(0, ge=-100, le=100, description="higher is claimed first")
    stall_seconds: float | None = Field(
        None,
        ge=1,
        le=604_800,
        description="how long an iteration may take before its attempt is taken for hung and "
        "ended; when not given, the time of 20 iterations, at least 300",
    )

    @field_validator("config")
    @classmethod
    def _finite(cls, config: dict[str, Any]) -> dict[str, Any]:
        for key, value in config.items():
            # JSON has no such numbers: they would arrive as null, and mean the default.
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{key}: {value} is no number to learn with")
        return config


class JobError(WireModel):
    """Why a job failed."""

    slug: str = Field(description="the kind of error: the last part of a problem type")
    detail: str
    iteration: int | None = Field(None, description="the iteration it happened in, when it did")


class Collapse(WireModel):
    """The generator's samples have become all alike."""

    iteration: int = Field(description="iterations done when it was seen")
    detail: str


class WeightsLink(WireModel):
    """Where the job's latest weights of one network are."""

    tag: str
    version: int
    url: str = Field(description="the version at the repository")


class Attempt(WireModel):
    """One try at a job."""

    epoch: int
    state: str = Field(description="ACTIVE, SUCCEEDED, FAILED, RELEASED or LOST")
    learner: str = Field(description="the learner of rank 0")
    learners: list[str] = Field(default_factory=list, description="all learners, by rank")
    resume_iteration: int
    started_at: datetime
    ended_at: datetime | None
    end_reason: str | None


class Job(WireModel):
    """A learn job as the coordinator tells of it."""

    id: str
    name: str | None
    networks: list[str]
    dataset: str
    config: dict[str, Any]
    target_count: int
    target_filter: str | LabelSelector | None = Field(None, description="as it was submitted")
    priority: int
    tag: str = Field(description="the line of versions the job trains")
    state: JobState
    desired: Desired
    reason: str | None = Field(description="why the job is in this state, in one word")
    waiting_for: str | None = Field(
        None, description="what a queued job waits for, in words; null when nothing is known"
    )
    error: JobError | None
    epoch: int = Field(description="the fencing number of the latest attempt; 0 before the first")
    iteration: int = Field(description="iterations done, as far as the coordinator knows")
    max_iterations: int | None = Field(description="the target; null runs until stopped")
    progress: LearnProgress | None = Field(description="the latest LearnProgress")
    iterations_per_second: float | None
    eta_seconds: float | None
    attempts: list[Attempt] = Field(description="the latest 20, the newest last")
    weights: dict[str, WeightsLink]
    collapse: Collapse | None = Field(
        None, description="the last time the generator was seen to have collapsed"
    )
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class JobPatch(BodyModel):
    """What is to be changed of a job: what is not named stays, and null takes away (RFC 7396)."""

    name: str | None = Field(None, min_length=1, max_length=200, examples=["my best run"])
    priority: int | None = Field(None, ge=-100, le=100, description="null is 0", examples=[10])
    max_iterations: int | None = Field(
        None, ge=1, lt=2**53, description="the target; null runs until stopped", examples=[40_000]
    )
    target_filter: TargetFilter = Field(
        None, description="which learners may work on it; null is any", examples=["(os=linux)"]
    )


class AttemptPage(WireModel):
    """One page of a job's attempts, the newest first."""

    items: list[Attempt]
    next_page_token: str | None


class SnapshotTold(WireModel):
    """A snapshot that a learner committed at the repository."""

    epoch: int
    iteration: int
    versions: dict[str, int] = Field(description="of each network the version that it made")
    noted_at: datetime


class SnapshotPage(WireModel):
    """One page of a job's snapshots, the newest first."""

    items: list[SnapshotTold]
    next_page_token: str | None


class JobPage(WireModel):
    """One page of jobs, newest first."""

    items: list[Job]
    next_page_token: str | None


class ProgressSeries(WireModel):
    """LearnProgress as columns: all share ``iterations``; a number that is not finite is null."""

    iterations: list[int]
    series: dict[str, list[float | None]]
    total: int = Field(description="points there are in the range, before downsampling")


class JobEvent(WireModel):
    """One server-sent event of a job."""

    id: int = Field(description="the job's own sequence number, without gaps")
    job: str = Field(description="the job")
    type: str = Field(description="state, progress, snapshot, quality, collapse or retired")
    at: datetime
    epoch: int
    data: dict[str, Any]
