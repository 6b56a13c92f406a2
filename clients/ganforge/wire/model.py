"""The model every wire type builds on."""

from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

_NUMBERS = {int, float, type(None)}


class WireModel(BaseModel):
    """Frozen, camelCase in JSON, snake_case in Python; unknown fields are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
    )


class BodyModel(WireModel):
    """A body of a request; a number is a number: neither ``"5"`` nor ``true`` is taken for one."""

    numbers: ClassVar[frozenset[str]] = frozenset()
    """The fields that take numbers, or nothing."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Note which fields take numbers."""
        cls.numbers = frozenset(
            name
            for name, field in cls.model_fields.items()
            if {*(get_args(field.annotation) or (field.annotation,))} <= _NUMBERS
        )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_what_only_reads_as_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool | str) and info.field_name in cls.numbers:
            raise ValueError("Input should be a number")
        return value
