"""What a job may name: the strategies and datasets that learners have, and the built-in ones."""

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from sqlalchemy import Column, Connection, Text, cast, func, select

from ganforge.errors import BadInput, UnknownName
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.evaluation import EVALUATION
from ganforge.wire.learning import StrategyInfo
from ganforge.wire.strategies import BUILT_IN as BUILT_IN_STRATEGIES
from ganforge_chassis.problems import pointer
from ganforge_coordinator.db.models import learners

BUILT_IN = (
    *(
        StrategyInfo(name=name, summary=told.summary, config_schema=told.config.model_json_schema())
        for name, told in BUILT_IN_STRATEGIES.items()
    ),
    EVALUATION,
)
"""Known before any learner has come, so that a job can be submitted first."""


def strategies(connection: Connection) -> dict[str, StrategyInfo]:
    """Give every known strategy by name."""
    found = {info.name: info for info in BUILT_IN}
    for told in _told(connection, learners.c.strategies):
        for item in told:
            info = StrategyInfo.model_validate(item)
            found.setdefault(info.name, info)
    return found


def strategy(connection: Connection, name: str) -> StrategyInfo | None:
    """Find one strategy; a built-in one without asking what a thousand learners told."""
    built_in = next((info for info in BUILT_IN if info.name == name), None)
    return built_in or strategies(connection).get(name)


def most_learners(connection: Connection, strategy: str) -> int:
    """Tell how many learners can follow a strategy together, by what they say of themselves."""
    told = _told(connection, learners.c.strategies)
    infos = (StrategyInfo.model_validate(item) for items in told for item in items)
    return max((info.max_learners for info in infos if info.name == strategy), default=1)


def datasets(connection: Connection) -> dict[str, DatasetInfo]:
    """Give every dataset that a learner can read, by name."""
    found: dict[str, DatasetInfo] = {}
    for told in _told(connection, learners.c.datasets):
        for item in readable(told):
            info = DatasetInfo.model_validate(item)
            found.setdefault(info.name, info)
    return found


def readable(told: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choose, of what a learner told of its datasets, those it can read."""
    return [item for item in told if "problem" not in item]


def unknown_dataset(connection: Connection, name: str, known: Iterable[str]) -> BadInput:
    """Say why no learner reads ``name``: it is broken, or nobody knows it."""
    for told in _told(connection, learners.c.datasets):
        for item in told:
            if item["name"] == name and "problem" in item:
                detail = f"dataset {name!r} cannot be read: {item['problem']}"
                return BadInput(detail, errors=[{"pointer": "/dataset", "detail": detail}])
    return unknown("dataset", name, known, "/dataset")


def _told(connection: Connection, column: Column[Any]) -> Iterator[list[dict[str, Any]]]:
    """Give what the learners told, what was told last first; what many told alike comes once."""
    text = cast(column, Text)
    query = select(text).where(learners.c.is_current).group_by(text)
    latest = query.order_by(func.max(learners.c.last_seen_ms).desc())
    for told in connection.execute(latest).scalars():
        yield json.loads(told)


def check_schemas(announced: Iterable[StrategyInfo]) -> None:
    """Refuse strategies whose config could not be checked.

    Raises:
        BadInput: a strategy's schema is no JSON Schema.
    """
    for info in announced:
        if (wrong := _complaint(json.dumps(info.config_schema, sort_keys=True))) is not None:
            raise BadInput(
                f"strategy {info.name!r}: its config is described by no JSON Schema "
                f"({wrong}): mend or remove the plug-in"
            )


# An idle learner presents itself twice a minute, and most have the same strategies.
@lru_cache(maxsize=256)
def _complaint(schema: str) -> str | None:
    """Say why some JSON is no JSON Schema; None when it is one."""
    try:
        Draft202012Validator.check_schema(json.loads(schema))
    except SchemaError as error:
        return error.message
    return None


def unknown(kind: str, name: str, known: Iterable[str], pointer: str) -> UnknownName:
    """Say that nobody knows ``name``, and which name was probably meant."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names) or 'none'}"
    detail = f"there is no {kind} {name!r}; {hint}"
    return UnknownName(detail, known=names, errors=[{"pointer": pointer, "detail": detail}])


def checked_config(config: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Give the config with every default filled in.

    Raises:
        UnknownName: a key nobody knows, with the nearest known key.
        BadInput: a value of the wrong type or out of range.
    """
    known = schema.get("properties", {})
    for key in config:
        if key not in known:
            raise unknown("config key", key, known, pointer(["config", key]))
    config = {key: _as_list(value, known[key]) for key, value in config.items()}
    errors = sorted(Draft202012Validator(schema).iter_errors(config), key=lambda e: str(e.path))
    if errors:
        raise _bad_values(errors)
    defaults = {
        key: told["default"] for key, told in known.items() if told.get("default") is not None
    }
    return {**defaults, **config}


def _as_list(value: Any, told: dict[str, Any]) -> Any:
    """Read ``a,b`` as a list where the key takes one, so that a command line can say it."""
    if "array" not in _types(told) or "string" in _types(told) or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return [value]
    if not isinstance(value, str):
        return value
    items = told.get("items", {})
    return [_as_item(part.strip(), items) for part in value.split(",")] if value.strip() else []


def _as_item(text: str, told: dict[str, Any]) -> Any:
    """Read one item of a list: a number where the list takes numbers."""
    if not {"number", "integer"} & _types(told):
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text  # refused by the schema, in words


def _types(told: dict[str, Any]) -> set[str]:
    """Tell the JSON types that a schema takes, as far as it says so itself."""
    choices = [told, *told.get("anyOf", ())]
    return {choice["type"] for choice in choices if isinstance(choice.get("type"), str)}


def _in_words(error: Any) -> str:
    """Say what is wrong with one value, and for a name which was probably meant."""
    told = str(error.message)
    if error.validator == "enum" and isinstance(error.instance, str):
        by_case = {str(name).upper(): name for name in error.validator_value}
        near = get_close_matches(error.instance.upper(), by_case, n=1)
        told += f"; did you mean {by_case[near[0]]!r}?" if near else ""
    return told


def _bad_values(errors: list[Any]) -> BadInput:
    told = [
        {
            "pointer": pointer(["config", *error.path]),
            "detail": _in_words(error.context[0] if error.context else error),
        }
        for error in errors
    ]
    first = told[0]
    key = first["pointer"].removeprefix("/config/")
    return BadInput(f"{key}: {first['detail']}", errors=told)
