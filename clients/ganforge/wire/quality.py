"""Quality: how good a generator is, as numbers, with what real images get beside them."""

from pydantic import Field, StrictBool

from ganforge.digest import PATTERN
from ganforge.wire.jobs import Name
from ganforge.wire.model import BodyModel

JUDGE = "Judge-"
"""What the names of judges begin with; the rest is the dataset's."""

BEST = "best"
"""The tag of the best version evaluated so far."""


class Figures(BodyModel):
    """One set of images against another; the class figures are null when there are no classes."""

    fcd: float = Field(
        ge=0, description="Frechet classifier distance: of the judge's features; lower is better"
    )
    precision: float = Field(ge=0, le=1, description="share of samples that look real")
    recall: float = Field(ge=0, le=1, description="share of real images that could be samples")
    density: float = Field(ge=0, description="how many real neighbourhoods a sample lies in")
    coverage: float = Field(ge=0, le=1, description="share of real images with a sample near")
    classes_covered: int | None = Field(
        None, ge=0, description="classes drawn at least a tenth as often as they are in the data"
    )
    class_kl: float | None = Field(
        None, ge=0, description="KL(samples || data) of the classes, in nats; lower is better"
    )
    classifier_score: float | None = Field(
        None, ge=1, description="exp E KL(p(y|x) || p(y)); at best the number of classes"
    )
    near_copies: float = Field(
        ge=0, le=1, description="share closer to an image of the data than its images are"
    )
    sliced_wasserstein: float = Field(
        ge=0, description="sliced Wasserstein distance of the pixels; lower is better"
    )


class Judge(BodyModel):
    """The classifier that figures stand on: figures of two judges cannot be compared."""

    network: Name
    tag: str = Field(description="names the dataset's digest")
    digest: str = Field(pattern=PATTERN, description="the SHA-256 of its weights")
    accuracy: float = Field(ge=0, le=1, description="share it gets right of held-out real images")
    task: str = Field(description="what it tells apart: classes or rotations")


class Quality(Figures):
    """How good a version of a generator is; ``floor`` is what as many real images get."""

    dataset: Name
    samples: int = Field(ge=2, description="samples drawn, and as many real images against them")
    seed: int = Field(ge=0, description="what the latents were drawn from")
    judge: Judge
    floor: Figures


class QualityReport(BodyModel):
    """A learner brings the quality of a version."""

    quality: Quality
    promote: StrictBool = Field(
        False, description="point the tag `best` at the version when it is the best so far"
    )


class QualityNote(BodyModel):
    """A learner tells the coordinator of a version it has evaluated."""

    rank: int = Field(0, ge=0)
    iteration: int = Field(ge=0, lt=2**53, description="iterations the version was learnt for")
    network: Name
    tag: str
    version: int = Field(ge=1)
    is_best: StrictBool = Field(description="whether the tag `best` points at it now")
    quality: Quality
