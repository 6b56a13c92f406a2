"""The config keys of learn jobs, in DIANNE's words."""

from enum import StrEnum

from pydantic import Field

from ganforge.wire.model import WireModel


class Method(StrEnum):
    """How gradients become steps."""

    SGD = "SGD"
    ADAM = "ADAM"
    RMSPROP = "RMSPROP"
    ADAGRAD = "ADAGRAD"
    ADADELTA = "ADADELTA"


class Sampling(StrEnum):
    """How minibatches are drawn."""

    UNIFORM = "UNIFORM"
    SEQUENTIAL = "SEQUENTIAL"
    PERMUTATION = "PERMUTATION"
    WEIGHTED = "WEIGHTED"
    UNIFORMCLASS = "UNIFORMCLASS"


class DecayType(StrEnum):
    """How the learning rate falls."""

    LINEAR = "LINEAR"
    EXPONENTIAL = "EXPONENTIAL"


class LearnConfig(WireModel):
    """The keys every learning strategy takes."""

    recipe: str | None = Field(
        None, max_length=64, description="the recipe that the job starts from"
    )
    strategy: str = Field("GANLearningStrategy", description="the training method")
    tag: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        description="the line of versions the job trains; the job's id when not given",
    )
    init_tag: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
        description="the tag whose latest weights the job starts from",
    )
    clean: bool = Field(False, description="start from fresh weights, not from the tag's latest")
    seed: int | None = Field(
        None, ge=0, lt=2**53, description="the same seed gives the same weights; drawn when absent"
    )
    max_iterations: int | None = Field(
        None, ge=1, lt=2**53, description="how many iterations; runs until stopped when absent"
    )
    batch_size: int = Field(32, ge=1, le=65_536, description="samples in a minibatch")
    sampling: Sampling = Field(Sampling.UNIFORM, description="how minibatches are drawn")
    method: Method = Field(Method.SGD, description="how gradients become steps")
    learning_rate: float | None = Field(
        None, gt=0, description="step size; the method's own default when absent"
    )
    decay_rate: float | None = Field(
        None, ge=0, description="how fast the learning rate, or the method's average, decays"
    )
    decay_type: DecayType | None = Field(None, description="how the learning rate falls")
    min_learning_rate: float | None = Field(None, ge=0, description="where the decay ends")
    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last step that is kept")
    nesterov: float | None = Field(None, ge=0, lt=1, description="Nesterov momentum, instead")
    l2: float = Field(0.0, ge=0, description="weight decay, added to the gradient")
    beta1: float = Field(0.9, ge=0, lt=1, description="ADAM's decay of the first moment")
    beta2: float = Field(0.999, ge=0, lt=1, description="ADAM's decay of the second moment")
    epsilon: float | None = Field(None, gt=0, description="keeps divisions finite")
    trace: bool = Field(True, description="keep the progress of every traceInterval-th iteration")
    trace_interval: int = Field(1, ge=1, le=1_000_000, description="iterations between points")
    sync_interval: int | None = Field(
        None, ge=1, description="iterations between two pushes of several learners"
    )
    store_interval: int = Field(1000, ge=1, description="iterations between two snapshots")
    train_set: str | None = Field(
        None,
        pattern=r"^\d+-\d+(,\d+-\d+)*$",
        description="which samples to train on: ranges without their ends, as 0-8000,9000-9500",
    )
    sampling_ranges: str | None = Field(
        None,
        pattern=r"^\d+-\d+(,\d+-\d+)*$",
        description="WEIGHTED: ranges of samples that leave out their ends; one for each weight",
    )
    sampling_weights: tuple[float, ...] = Field(
        (),
        max_length=1000,
        description="WEIGHTED: the probability of each of samplingRanges, as [0.5,0.2]; what is "
        "missing to 1 goes to all other samples",
    )
    fixed: tuple[str, ...] = Field(
        (),
        max_length=1000,
        description="networks and modules that are not trained: Discriminator, or Discriminator.0",
    )
    nan_retry: int = Field(
        0,
        ge=0,
        le=100,
        alias="NaNretry",
        description="how many times to go back to the last snapshot after a loss that is not "
        "finite; 0 fails the job",
    )
    minibatch_loss_threshold: float | None = Field(
        None,
        description="stop when minibatchLoss fell by less than this over thresholdWindow points",
    )
    threshold_window: int = Field(
        10, ge=1, le=100_000, description="points of progress that minibatchLossThreshold looks at"
    )
    eval_interval: int | None = Field(
        None,
        ge=1,
        description="iterations between two evaluations of the generator; none when absent",
    )
    stop_on_collapse: bool = Field(
        False, description="end the job when the generator has collapsed, with what it had learnt"
    )
