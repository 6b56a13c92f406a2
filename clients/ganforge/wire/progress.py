"""LearnProgress: what one iteration of learning reports."""

from pydantic import Field

from ganforge.wire.model import WireModel


class LearnProgress(WireModel):
    """The progress of one iteration, as it crosses the wire."""

    iteration: int = Field(ge=0, description="the iteration, counted from 0")
    minibatch_loss: float | None = Field(description="loss of the minibatch; null when not finite")
    extra: dict[str, float | None] = Field(
        default_factory=dict, description="named extras, such as dLossReal and dLossFake"
    )
