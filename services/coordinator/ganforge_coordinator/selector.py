"""Selectors: what a job asks of a learner's labels, one form for every way to write it; pure."""

import json
import operator
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ganforge.wire.labels import LabelSelector, Operator, Requirement, number_of


class _Term(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Has(_Term):
    """The label is there, whatever its value."""

    kind: Literal["has"] = "has"
    key: str


class In(_Term):
    """The label has one of these values."""

    kind: Literal["in"] = "in"
    key: str
    values: tuple[str, ...]


class Like(_Term):
    """The label's value begins with the first part, ends with the last, has the rest between."""

    kind: Literal["like"] = "like"
    key: str
    parts: tuple[str, ...] = Field(min_length=2)


class Compare(_Term):
    """The label's value is greater or less: as a number where one is asked for, else as a text."""

    kind: Literal["compare"] = "compare"
    key: str
    sign: Literal[">", ">=", "<", "<="]
    value: str


class Not(_Term):
    """What it holds does not fit."""

    kind: Literal["not"] = "not"
    of: "Selector"


class Every(_Term):
    """Each part fits."""

    kind: Literal["every"] = "every"
    of: tuple["Selector", ...]


class Some(_Term):
    """At least one part fits."""

    kind: Literal["some"] = "some"
    of: tuple["Selector", ...]


Selector = Annotated[Has | In | Like | Compare | Not | Every | Some, Field(discriminator="kind")]
"""One term, or a tree of them."""

_ADAPTER: TypeAdapter[Selector] = TypeAdapter(Selector)
_SIGNS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Tell whether a learner with these labels fits."""
    match selector:
        case Every(of=parts):
            return all(matches(part, labels) for part in parts)
        case Some(of=parts):
            return any(matches(part, labels) for part in parts)
        case Not(of=part):
            return not matches(part, labels)
    value = labels.get(selector.key)
    if value is None:
        return False
    match selector:
        case Has():
            return True
        case In(values=values):
            return value in values
        case Like(parts=texts):
            return _is_like(value, texts)
        case Compare():
            return _compare(value, selector)


def _is_like(value: str, parts: tuple[str, ...]) -> bool:
    first, *middle, last = parts
    if not value.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = value.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return value.endswith(last) and at + len(last) <= len(value)


def _compare(value: str, asked: Compare) -> bool:
    sign: Any = _SIGNS[asked.sign]
    wanted, number = number_of(asked.value), number_of(value)
    if wanted is None:
        return bool(sign(value, asked.value))
    return number is not None and bool(sign(number, wanted))


def every(parts: Iterable[Selector]) -> Selector:
    """Make a selector of parts that must each fit; there has to be one at least."""
    return _joined(Every, parts)


def some(parts: Iterable[Selector]) -> Selector:
    """Make a selector of parts of which one must fit; there has to be one at least."""
    return _joined(Some, parts)


def _joined(kind: type[Every] | type[Some], parts: Iterable[Selector]) -> Selector:
    """Join parts without regard to their order, so that the same is always written the same."""
    by_text: dict[str, Selector] = {}
    for part in parts:
        for one in part.of if isinstance(part, kind) else (part,):
            by_text[as_text(one)] = one
    ordered = tuple(by_text[text] for text in sorted(by_text))
    return ordered[0] if len(ordered) == 1 else kind(of=ordered)


def of_labels(wanted: LabelSelector) -> Selector | None:
    """Read a selector in Kubernetes' form; None when it asks for nothing."""
    parts: list[Selector] = [
        In(key=key, values=(value,)) for key, value in wanted.match_labels.items()
    ]
    parts += map(_of_requirement, wanted.match_expressions)
    return every(parts) if parts else None


def _of_requirement(wanted: Requirement) -> Selector:
    key, values = wanted.key, tuple(sorted(set(wanted.values)))
    match wanted.operator:
        case Operator.IN:
            return In(key=key, values=values)
        case Operator.NOT_IN:  # as in Kubernetes, a learner without the label fits
            return Not(of=In(key=key, values=values))
        case Operator.EXISTS:
            return Has(key=key)
        case Operator.DOES_NOT_EXIST:
            return Not(of=Has(key=key))
        case Operator.GT:
            return Compare(key=key, sign=">", value=values[0])
        case Operator.LT:
            return Compare(key=key, sign="<", value=values[0])


def as_json(selector: Selector) -> dict[str, Any]:
    """Say a selector as JSON."""
    told: dict[str, Any] = selector.model_dump(mode="json")
    return told


def as_text(selector: Selector) -> str:
    """Say a selector as a text; two that ask for the same in the same way give the same."""
    return json.dumps(as_json(selector), sort_keys=True, separators=(",", ":"))


def of_json(told: Any) -> Selector:
    """Read what ``as_json`` said."""
    return _ADAPTER.validate_python(told)


def in_words(selector: Selector) -> str:
    """Say a selector as people do."""
    match selector:
        case Has(key=key):
            return f"a label {key}"
        case In(key=key, values=values):
            return f"{key}={' or '.join(values)}"
        case Like(key=key, parts=texts):
            return f"{key}={'*'.join(texts)}"
        case Compare(key=key, sign=sign, value=value):
            return f"{key} {sign} {value}"
        case Not(of=part):
            return f"not ({in_words(part)})"
        case Every(of=parts):
            return " and ".join(map(in_words, parts))
        case Some(of=parts):
            return f"({' or '.join(map(in_words, parts))})"


def parts_of(selector: Selector) -> tuple[Selector, ...]:
    """Take apart what must each fit."""
    return selector.of if isinstance(selector, Every) else (selector,)
