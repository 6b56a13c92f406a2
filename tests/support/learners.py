"""What learners say when they present themselves."""

import uuid
from typing import Any

from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.learning import Registration, StrategyInfo
from ganforge.wire.strategies import GANConfig

MNIST = DatasetInfo(name="MNIST", input_shape=(1, 28, 28), size=10_000, classes=10)
DIGITS = DatasetInfo(name="digits", input_shape=(1, 8, 8), size=1_797, classes=10)
GAN = StrategyInfo(
    name="GANLearningStrategy", summary="A GAN.", config_schema=GANConfig.model_json_schema()
)


TOGETHER = GAN.model_copy(update={"max_learners": 64})
"""The same, for learners that can follow it with others."""


def registration(name: str = "learner", **changes: Any) -> Registration:
    """Make a registration that can learn MNIST and digits; a new boot unless one is given."""
    values: dict[str, Any] = {
        "name": name,
        "boot_id": uuid.uuid4().hex,
        "device": "cpu",
        "version": "0.1.0",
        "datasets": [MNIST, DIGITS],
        "strategies": [GAN],
    }
    return Registration(**{**values, **changes})
