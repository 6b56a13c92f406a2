"""Datasets as learners announce them."""

from pydantic import Field, StrictFloat, StrictInt

from ganforge.wire.jobs import Name
from ganforge.wire.model import BodyModel


class DatasetInfo(BodyModel):
    """A dataset that a learner can read."""

    name: Name
    input_shape: tuple[StrictInt, ...] = Field(
        description="one sample's shape: channels, height, width"
    )
    size: int = Field(ge=1, description="how many samples there are")
    classes: int | None = Field(None, description="how many classes, when it has labels")
    digest: str | None = Field(None, description="the SHA-256 of the samples")
    value_range: tuple[StrictFloat, StrictFloat] = Field(
        (-1.0, 1.0), description="lowest and highest value"
    )


class BrokenDataset(BodyModel):
    """A dataset that lies in a learner's data folder and cannot be read."""

    name: Name
    problem: str = Field(max_length=2000, description="one sentence that names the file")
