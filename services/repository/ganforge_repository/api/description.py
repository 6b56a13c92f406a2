"""What OpenAPI tells of the repository besides its types: one job's weights as the example."""

from datetime import UTC, datetime

from ganforge.networks import NetworkDefinition
from ganforge.wire.quality import Figures, Judge, Quality, QualityReport
from ganforge.wire.weights import (
    SAFETENSORS,
    Blob,
    Diff,
    NetworkBlobs,
    NetworkPage,
    NetworkSummary,
    OpenedEpoch,
    OpenEpoch,
    Promotion,
    QualityReply,
    Snapshot,
    SnapshotCommit,
    SnapshotNetwork,
    Source,
    TagPage,
    TagSummary,
    TensorDiff,
    TensorInfo,
    Version,
    VersionLinks,
    VersionPage,
    VersionRef,
    VersionSummary,
)
from ganforge_chassis.description import Description

NETWORK = "Generator"
TAG = "my-run"
JOB_ID = "4xh2k9d0qz7m"
DIGEST = "sha256:" + 64 * "0"

_AT = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
_EPOCH = 1795410000000
_LOSSES = {"minibatchLoss": 0.71, "dLossReal": 0.52, "dLossFake": 0.48}
_PATH = f"/v1/networks/{NETWORK}/tags/{TAG}/versions/12"
_DEFINITION = NetworkDefinition.model_validate(
    {
        "name": NETWORK,
        "input": [10],
        "modules": [
            {"type": "Linear", "out": 64},
            {"type": "ReLU"},
            {"type": "Linear", "out": 784},
            {"type": "Tanh"},
            {"type": "Unflatten", "shape": [1, 28, 28]},
        ],
    }
)
_FIGURES = {
    "precision": 0.71,
    "recall": 0.63,
    "density": 0.8,
    "coverage": 0.66,
    "near_copies": 0.0,
    "sliced_wasserstein": 0.05,
}
_QUALITY = Quality(
    fcd=12.5,
    **_FIGURES,
    dataset="MNIST",
    samples=8000,
    seed=0,
    judge=Judge(
        network="Judge-MNIST", tag="0123456789abcdef", digest=DIGEST, accuracy=0.98, task="classes"
    ),
    floor=Figures(fcd=1.5, **_FIGURES),
)
_SUMMARY = VersionSummary(
    network=NETWORK,
    tag=TAG,
    version=12,
    digest=DIGEST,
    size_bytes=318_464,
    nonfinite_count=0,
    source=Source.SNAPSHOT,
    job=JOB_ID,
    epoch=_EPOCH,
    iteration=1200,
    parent=VersionRef(tag=TAG, version=11),
    losses=_LOSSES,
    created_at=_AT,
    links=VersionLinks(weights=f"{_PATH}/weights", samples=f"{_PATH}/samples.png"),
)
_VERSION = Version(
    **_SUMMARY.model_dump(by_alias=False),
    tensors=[TensorInfo(name="0.weight", dtype="F32", shape=[64, 10])],
)
_SHOWN = NetworkSummary(
    name=NETWORK,
    definition=_DEFINITION.model_dump(mode="json", by_alias=True, exclude_unset=True),
    parameters=51_664,
    etag=DIGEST,
    created_at=_AT,
    updated_at=_AT,
)
_SNAPSHOT = Snapshot(
    job=JOB_ID,
    epoch=_EPOCH,
    iteration=1200,
    tag=TAG,
    networks={NETWORK: SnapshotNetwork(version=12, weights=DIGEST, samples=None)},
    state=DIGEST,
    losses=_LOSSES,
    config={"generatorDim": 10},
    created_at=_AT,
)

_BYTES = ("ETag", "Cache-Control", "Repr-Digest", "Content-Range")
_OF_VERSION = {
    "network": "$response.body#/network",
    "tag": "$response.body#/tag",
    "version": "$response.body#/version",
    "a": "$response.body#/version",
    "b": "$response.body#/version",
}
_OF_FIRST = {
    "network": "$response.body#/items/0/network",
    "tag": "$response.body#/items/0/tag",
    "version": "$response.body#/items/0/version",
}

DESCRIPTION = Description(
    examples=(
        _DEFINITION,
        _SHOWN,
        NetworkPage(items=[_SHOWN], next_page_token=None),
        TagPage(
            items=[TagSummary(tag=TAG, latest_version=12, created_at=_AT, updated_at=_AT)],
            next_page_token=None,
        ),
        Promotion.model_validate({"from": {"tag": TAG, "version": 12}}),
        _VERSION,
        VersionPage(items=[_SUMMARY], next_page_token=None),
        QualityReport(quality=_QUALITY, promote=True),
        QualityReply(version=_VERSION, is_best=True),
        Diff(
            network=NETWORK,
            tag=TAG,
            a=11,
            b=12,
            identical=False,
            tensors=[
                TensorDiff(
                    name="0.weight",
                    elements=640,
                    difference_norm=0.12,
                    cosine=0.998,
                    changed_share=1.0,
                )
            ],
        ),
        Blob(digest=DIGEST, size_bytes=318_464, media_type=SAFETENSORS),
        OpenEpoch(epoch=_EPOCH, tag=TAG),
        OpenedEpoch(epoch=_EPOCH, snapshot=_SNAPSHOT),
        SnapshotCommit(
            epoch=_EPOCH,
            iteration=1200,
            tag=TAG,
            networks={NETWORK: NetworkBlobs(weights=DIGEST)},
            state=DIGEST,
            losses=_LOSSES,
            config={"generatorDim": 10},
        ),
        _SNAPSHOT,
    ),
    headers={
        "getNetwork": ("ETag",),
        "putNetwork": ("ETag",),
        "pushVersion": ("Location",),
        "getWeights": _BYTES,
        "getSamples": _BYTES,
        "getBlob": _BYTES,
    },
    links={
        "NetworkSummary": {"network": "$response.body#/name"},
        "NetworkPage": {"network": "$response.body#/items/0/name"},
        "TagPage": {"network": "$request.path.network", "tag": "$response.body#/items/0/tag"},
        "Version": _OF_VERSION,
        "VersionPage": _OF_FIRST,
        "Blob": {"digest": "$response.body#/digest"},
        "OpenedEpoch": {"job": "$request.path.job"},
        "Snapshot": {"job": "$response.body#/job"},
    },
    unlinked=("getSamples",),
)
"""What the repository's OpenAPI document tells besides."""
