"""Labels of learners, and the selectors that jobs choose learners by."""

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ganforge.wire.model import WireModel

KEY = r"^[a-z0-9]([a-z0-9_./-]{0,61}[a-z0-9])?$"


def _as_key(key: str) -> str:
    if not re.fullmatch(KEY, key):
        raise ValueError(
            f"{key!r} is no label: 1 to 63 lower-case letters, digits and - _ . / as in gpu.count"
        )
    return key


LabelKey = Annotated[str, AfterValidator(_as_key), Field(json_schema_extra={"pattern": KEY})]
"""A label's name; lower case, so that no two differ by case alone."""


def _as_text(value: Any) -> Any:
    """Take a number for what it reads as: ``"gpu.count": 2`` means ``"2"``."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


LabelValue = Annotated[
    str, BeforeValidator(_as_text, json_schema_input_type=str | float), Field(max_length=256)
]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=64)]

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def number_of(value: str) -> float | None:
    """Read a label's value as a number; None when it is none."""
    return float(value) if _NUMBER.fullmatch(value) else None


class Operator(StrEnum):
    """What a requirement asks of a label, as in Kubernetes."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


class Requirement(WireModel):
    """One requirement on one label."""

    key: LabelKey
    operator: Operator
    values: list[LabelValue] = Field(
        default_factory=list,
        max_length=64,
        description="one or more for In and NotIn, one number for Gt and Lt, else none",
    )

    @model_validator(mode="after")
    def _values_fit(self) -> "Requirement":
        match self.operator:
            case Operator.IN | Operator.NOT_IN if not self.values:
                raise ValueError(f"{self.operator} takes one or more values")
            case Operator.EXISTS | Operator.DOES_NOT_EXIST if self.values:
                raise ValueError(f"{self.operator} takes no values")
            case Operator.GT | Operator.LT if not self._has_one_number():
                raise ValueError(f"{self.operator} takes one value, a number")
        return self

    def _has_one_number(self) -> bool:
        return len(self.values) == 1 and number_of(self.values[0]) is not None


class LabelSelector(WireModel):
    """Requirements that a learner's labels must all meet, as in Kubernetes."""

    match_labels: Labels = Field(default_factory=dict, description="labels and their values")
    match_expressions: list[Requirement] = Field(default_factory=list, max_length=64)
