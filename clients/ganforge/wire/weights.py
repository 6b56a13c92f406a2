"""Weights: networks, tags, immutable versions, and the snapshots learners commit."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StrictFloat

from ganforge.digest import PATTERN
from ganforge.wire.jobs import Name
from ganforge.wire.model import BodyModel, WireModel
from ganforge.wire.quality import Quality

SAFETENSORS = "application/vnd.safetensors"
"""The media type of weights."""

PNG = "image/png"
"""The media type of sample grids."""

LATEST = "latest"
"""Stands for a tag's newest version wherever a version is named."""

Digest = Annotated[str, Field(pattern=PATTERN, examples=["sha256:" + 64 * "0"])]
"""The SHA-256 of some bytes, which is also their name."""

Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", examples=["my-run"])]
"""The name of a line of versions."""

JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
"""The coordinator's name of a job."""

Losses = Annotated[
    dict[str, StrictFloat | None],
    Field(
        max_length=64,
        description="the last losses, as LearnProgress names them; null when not finite",
        examples=[{"minibatchLoss": 0.71, "dLossReal": 0.52, "dLossFake": 0.48}],
    ),
]
"""Named losses."""


class NetworkSummary(WireModel):
    """A network as the list of networks tells of it."""

    name: str
    definition: dict[str, Any] = Field(description="the architecture: declarative, no code")
    parameters: int = Field(description="how many numbers its weights hold")
    etag: str = Field(description="the definition's digest, to be sent as If-Match")
    created_at: datetime
    updated_at: datetime


class NetworkPage(WireModel):
    """One page of networks, by name."""

    items: list[NetworkSummary]
    next_page_token: str | None


class TagSummary(WireModel):
    """A line of versions of one network."""

    tag: str
    latest_version: int = Field(description="how many versions it has: they count from 1")
    created_at: datetime
    updated_at: datetime


class TagPage(WireModel):
    """One page of tags, by name."""

    items: list[TagSummary]
    next_page_token: str | None


class TensorInfo(WireModel):
    """One tensor of a weights file."""

    name: str
    dtype: str = Field(description="the type of an element, as safetensors spells it")
    shape: list[int]


class VersionRef(BodyModel):
    """A version of the same network."""

    tag: Tag
    version: int = Field(ge=1)


class Source(StrEnum):
    """Where a version came from."""

    SNAPSHOT = "snapshot"
    PUSH = "push"
    PROMOTE = "promote"


class VersionLinks(WireModel):
    """Where the version's bytes are; paths on the repository."""

    weights: str
    samples: str | None = Field(description="the sample grid; null when none was drawn")


class VersionSummary(WireModel):
    """An immutable version of a network's weights."""

    network: str
    tag: str
    version: int
    digest: str = Field(description="the SHA-256 of the safetensors file")
    size_bytes: int
    nonfinite_count: int = Field(description="how many elements are NaN or infinite")
    source: Source = Field(description="snapshot of a job, push of a person, or promote")
    job: str | None
    epoch: int | None
    iteration: int | None = Field(description="iterations done when it was taken")
    parent: VersionRef | None = Field(description="the version it was learnt or promoted from")
    losses: Losses
    quality: Quality | None = Field(None, description="how good it is, when it was evaluated")
    created_at: datetime
    links: VersionLinks


class VersionPage(WireModel):
    """One page of versions, newest first."""

    items: list[VersionSummary]
    next_page_token: str | None


class Version(VersionSummary):
    """An immutable version of a network's weights, with its tensors."""

    tensors: list[TensorInfo]


class QualityReply(WireModel):
    """The quality is kept."""

    version: Version
    is_best: bool = Field(description="whether the tag `best` points at it now")


class Promotion(BodyModel):
    """Point a tag at an existing version."""

    source: VersionRef = Field(alias="from")


class TensorDiff(WireModel):
    """How one tensor differs between two versions; null where a number is not finite."""

    name: str
    elements: int
    difference_norm: float | None = Field(description="L2 norm of b - a")
    cosine: float | None = Field(
        description="cosine of the angle between a and b; null when one is zero"
    )
    changed_share: float = Field(ge=0, le=1, description="share of elements that differ")


class Diff(WireModel):
    """How two versions of a network differ, tensor by tensor."""

    network: str
    tag: str
    a: int
    b: int
    identical: bool = Field(description="whether the files are the same bytes")
    tensors: list[TensorDiff]


class Blob(WireModel):
    """Bytes the repository keeps."""

    digest: str
    size_bytes: int
    media_type: str


class NetworkBlobs(BodyModel):
    """The uploaded bytes of one network in a snapshot."""

    weights: Digest
    samples: Digest | None = None


class OpenEpoch(BodyModel):
    """A learner opens its epoch: from then on every older one is refused."""

    epoch: int = Field(ge=0, lt=2**63)
    tag: Tag


class SnapshotCommit(BodyModel):
    """Everything a job has learnt, to be committed as one."""

    epoch: int = Field(ge=0, lt=2**63)
    iteration: int = Field(ge=0, lt=2**63, description="iterations done")
    tag: Tag
    networks: dict[Name, NetworkBlobs] = Field(
        min_length=1, max_length=16, description="those of the job, and their moving averages"
    )
    state: Digest | None = Field(
        None, description="training state: optimizers, random generators, sampler position"
    )
    losses: Losses = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict, description="the job's config keys")


class SnapshotNetwork(WireModel):
    """The version of one network a snapshot made."""

    version: int
    weights: str = Field(description="the digest of its safetensors file")
    samples: str | None = Field(description="the digest of its sample grid")


class Snapshot(WireModel):
    """One atomic commit of a job: enough to go on exactly."""

    job: str
    epoch: int
    iteration: int
    tag: str
    networks: dict[str, SnapshotNetwork]
    state: str | None = Field(description="the digest of the training state")
    losses: Losses
    config: dict[str, Any]
    created_at: datetime


class OpenedEpoch(WireModel):
    """The epoch is open; ``snapshot`` is what to go on from, null at the very beginning."""

    epoch: int
    snapshot: Snapshot | None
