"""Qualities, as a learner would bring them."""

from typing import Any

from ganforge.wire.quality import Figures, Judge, Quality

FLOOR = Figures(
    fcd=1.5,
    precision=0.96,
    recall=0.95,
    density=1.0,
    coverage=0.97,
    classes_covered=10,
    class_kl=0.002,
    classifier_score=9.9,
    near_copies=0.01,
    sliced_wasserstein=0.02,
)
JUDGE = Judge(
    network="Judge-MNIST", tag="0123", digest="sha256:" + 64 * "0", accuracy=0.98, task="classes"
)


def quality(fcd: float, **changes: Any) -> Quality:
    """Make a quality with this distance."""
    figures = {**FLOOR.model_dump(by_alias=False), "fcd": fcd, "near_copies": 0.0}
    told = {"dataset": "MNIST", "samples": 5000, "seed": 0, "judge": JUDGE, "floor": FLOOR}
    return Quality(**{**figures, **told, **changes})
