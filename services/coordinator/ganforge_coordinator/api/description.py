"""What OpenAPI tells of the coordinator besides its types: one job as the example of all."""

from datetime import UTC, datetime

from ganforge.recipes import RECIPES
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.jobs import (
    Attempt,
    AttemptPage,
    Job,
    JobPage,
    JobPatch,
    JobState,
    LearnJob,
    ProgressSeries,
    SnapshotPage,
    SnapshotTold,
    WeightsLink,
)
from ganforge.wire.learning import (
    Assignment,
    Claim,
    CollapseNote,
    Command,
    Completion,
    Heartbeat,
    HeartbeatReply,
    Learner,
    Outcome,
    ProgressPush,
    ProgressReply,
    Registered,
    Registration,
    SnapshotNote,
    StrategyInfo,
)
from ganforge.wire.progress import LearnProgress
from ganforge.wire.quality import Figures, Judge, Quality, QualityNote
from ganforge.wire.tokens import Bearer, IssuedToken, NewToken, Role, TokenInfo, TokenPage
from ganforge_chassis.description import Description

JOB_ID = "4xh2k9d0qz7m"
LEARNER_ID = "0d9cbd5f-5a55-4b3f-9c0e-6a1f2f6d9b11"
ATTEMPT_ID = "7c1f0e52-4d34-4b5e-8b8a-2f2f0a4a5c3d"
TOKEN_ID = "b1e6a1de-6a8d-4f0e-9d54-0c8c3a4f7a22"

_AT = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
_NETWORKS = ["Generator", "Discriminator"]
_CONFIG = {
    "strategy": "GANLearningStrategy",
    "generatorDim": 10,
    "batchSize": 16,
    "maxIterations": 20_000,
}
_JOB = Job(
    id=JOB_ID,
    name="my first run",
    networks=_NETWORKS,
    dataset="MNIST",
    config=_CONFIG,
    target_count=1,
    priority=0,
    tag=JOB_ID,
    state=JobState.RUNNING,
    desired="RUN",
    reason=None,
    waiting_for=None,
    error=None,
    epoch=1795410000000,
    iteration=1200,
    max_iterations=20_000,
    progress=LearnProgress(
        iteration=1199, minibatch_loss=0.71, extra={"dLossReal": 0.52, "dLossFake": 0.48}
    ),
    iterations_per_second=310.0,
    eta_seconds=60.6,
    attempts=[
        Attempt(
            epoch=1795410000000,
            state="ACTIVE",
            learner="gpu-box-1",
            learners=["gpu-box-1"],
            resume_iteration=0,
            started_at=_AT,
            ended_at=None,
            end_reason=None,
        )
    ],
    weights={
        "Generator": WeightsLink(
            tag=JOB_ID, version=12, url=f"/v1/networks/Generator/tags/{JOB_ID}/versions/12"
        )
    },
    created_at=_AT,
    updated_at=_AT,
    finished_at=None,
)
_LEARNER = Learner(
    id=LEARNER_ID,
    name="gpu-box-1",
    device="cuda:0",
    labels={"os": "linux", "gpu.count": "1"},
    version="0.1.0",
    last_seen_seconds=2.5,
    is_alive=True,
    job=JOB_ID,
    datasets=["MNIST"],
    strategies=["GANLearningStrategy"],
)
_DATASET = DatasetInfo(name="MNIST", input_shape=(1, 28, 28), size=60_000, classes=10)
_STRATEGY = StrategyInfo(
    name="GANLearningStrategy",
    summary="A generator and a discriminator, as DIANNE trains them.",
    config_schema={
        "type": "object",
        "properties": {"generatorDim": {"type": "integer", "minimum": 1}},
    },
)
_FIGURES = {
    "precision": 0.71,
    "recall": 0.63,
    "density": 0.8,
    "coverage": 0.66,
    "near_copies": 0.0,
    "sliced_wasserstein": 0.05,
}
_QUALITY = QualityNote(
    iteration=1200,
    network="Generator",
    tag=JOB_ID,
    version=12,
    is_best=True,
    quality=Quality(
        fcd=12.5,
        **_FIGURES,
        dataset="MNIST",
        samples=8000,
        seed=0,
        judge=Judge(
            network="Judge-MNIST",
            tag="0123456789abcdef",
            digest="sha256:" + 64 * "0",
            accuracy=0.98,
            task="classes",
        ),
        floor=Figures(fcd=1.5, **_FIGURES),
    ),
)
_TOKEN = {
    "id": TOKEN_ID,
    "role": Role.LEARNER,
    "principal": "gpu-box-1",
    "created_at": _AT,
    "expires_at": None,
    "last_used_at": None,
}
_SNAPSHOT = SnapshotTold(
    epoch=1795410000000,
    iteration=1200,
    versions={"Generator": 12, "Discriminator": 12},
    noted_at=_AT,
)
_EVENT = (
    "id: 3\nevent: state\n"
    f'data: {{"id":3,"job":"{JOB_ID}","type":"state","at":"2026-11-23T05:00:00Z",'
    '"epoch":1795410000000,"data":{"state":"RUNNING","desired":"RUN","reason":null}}\n\n'
)

_OF_JOB = {"job_id": "$response.body#/id"}
_OF_ATTEMPT = {"attempt_id": "$request.path.attempt_id"}
_TELLS_A_JOB = ("ETag",)

DESCRIPTION = Description(
    examples=(
        LearnJob(networks=_NETWORKS, dataset="MNIST", config=_CONFIG, name="my first run"),
        _JOB,
        JobPage(items=[_JOB], next_page_token=None),
        JobPatch(priority=10),
        AttemptPage(items=_JOB.attempts, next_page_token=None),
        SnapshotPage(items=[_SNAPSHOT], next_page_token=None),
        ProgressSeries(
            iterations=[0, 1199],
            series={"minibatchLoss": [0.69, 0.71], "dLossReal": [0.7, 0.52]},
            total=1200,
        ),
        _QUALITY,
        _LEARNER,
        Registration(
            name="gpu-box-1",
            boot_id="5f0c2c9be1a94a8e",
            device="cuda:0",
            labels={"os": "linux", "gpu.count": "1"},
            version="0.1.0",
            datasets=[_DATASET],
            strategies=[_STRATEGY],
        ),
        Registered(id=LEARNER_ID, lease_seconds=30, heartbeat_seconds=10),
        Claim(claim_key="c0ffee0123456789"),
        Assignment(
            attempt_id=ATTEMPT_ID,
            job_id=JOB_ID,
            epoch=1795410000000,
            rank=0,
            world_size=1,
            rendezvous=None,
            networks=_NETWORKS,
            dataset="MNIST",
            config=_CONFIG,
            tag=JOB_ID,
            lease_seconds=30,
        ),
        Heartbeat(started=True, iteration=1200),
        HeartbeatReply(lease_seconds=30, command=Command.RUN),
        ProgressPush(
            seq=0,
            first=0,
            series={"minibatchLoss": [0.69, 0.7], "dLossReal": [0.7, None]},
            iterations_per_second=310,
        ),
        ProgressReply(applied=True, next_seq=1),
        SnapshotNote(iteration=1200, versions=_SNAPSHOT.versions),
        CollapseNote(iteration=1200, detail="all samples are alike"),
        Completion(outcome=Outcome.SUCCEEDED, iteration=20_000),
        _STRATEGY,
        _DATASET,
        RECIPES[0],
        NewToken(role=Role.LEARNER, principal="gpu-box-1", lifetime_seconds=86_400),
        IssuedToken(**_TOKEN, token="gf_kept-by-you-and-nobody-else"),
        TokenPage(items=[TokenInfo(**_TOKEN)], next_page_token=None),
        Bearer(role=Role.LEARNER, principal="gpu-box-1"),
    ),
    said={
        "followJob": _EVENT,
        "followJobs": _EVENT.replace("id: 3", f"id: @1795410000000,{JOB_ID}:3"),
        "getAllProgress": '{"iteration": 0, "minibatchLoss": 0.69, "extra": {"dLossReal": 0.7}}\n',
    },
    headers={
        "submitJob": (*_TELLS_A_JOB, "Location"),
        "getJob": (*_TELLS_A_JOB, "Preference-Applied"),
        "editJob": _TELLS_A_JOB,
        **{
            f"{action}Job": _TELLS_A_JOB
            for action in ("stop", "pause", "resume", "cancel", "retry")
        },
        "getProgress": ("ETag", "Cache-Control"),
        "listLearners": ("Link",),
        "createToken": ("Location", "Cache-Control"),
    },
    links={
        "Job": _OF_JOB,
        "JobPage": {"job_id": "$response.body#/items/0/id"},
        "Learner": {"learner_id": "$response.body#/id", "job_id": "$response.body#/job"},
        "Learner[]": {"learner_id": "$response.body#/0/id"},
        "Registered": {"learner_id": "$response.body#/id"},
        "Assignment": {
            "attempt_id": "$response.body#/attemptId",
            "job_id": "$response.body#/jobId",
        },
        "HeartbeatReply": _OF_ATTEMPT,
        "ProgressReply": _OF_ATTEMPT,
        "IssuedToken": {"token_id": "$response.body#/id"},
        "TokenPage": {"token_id": "$response.body#/items/0/id"},
    },
)
"""What the coordinator's OpenAPI document tells besides."""
