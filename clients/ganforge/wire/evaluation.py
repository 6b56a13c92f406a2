"""Evaluate jobs: their keys, and how they are announced."""

from pydantic import Field

from ganforge.wire.learning import StrategyInfo
from ganforge.wire.model import WireModel

STRATEGY = "EvaluationStrategy"
"""The strategy of a job that evaluates a version and trains nothing."""


class EvaluationConfig(WireModel):
    """The keys of EvaluationStrategy, which trains nothing."""

    strategy: str = Field(STRATEGY, description="evaluates one version of a generator")
    tag: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        description="the line whose version is evaluated; must be given",
    )
    version: int | None = Field(None, ge=1, description="the version; the latest when not given")
    samples: int = Field(
        8000,
        ge=100,
        le=100_000,
        description="samples to draw; never more than half of the dataset",
    )
    seed: int = Field(0, ge=0, lt=2**53, description="the same seed gives the same figures")


EVALUATION = StrategyInfo(
    name=STRATEGY,
    summary="Evaluates a version of a generator; trains nothing.",
    config_schema=EvaluationConfig.model_json_schema(),
)
"""Announced beside the learning strategies by every learner."""
