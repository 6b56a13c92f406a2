"""``ganforge datasets``, ``strategies`` and ``learners``: what a job may name, and who is there."""

from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.application import Suggesting
from ganforge.cli.connection import json_option, with_client
from ganforge.cli.output import duration, say, show_items, show_json, show_table

if TYPE_CHECKING:
    from ganforge.client import Client
    from ganforge.wire.learning import StrategyInfo


@click.group(cls=Suggesting)
def datasets() -> None:
    """Tell what can be learnt from."""


@datasets.command("list")
@json_option
@with_client
def list_datasets(client: "Client", as_json: bool) -> None:
    """List the datasets that the learners can read."""
    found = client.datasets()
    if as_json:
        return show_items(found)
    rows: list[tuple[object, ...]] = [
        (info.name, "x".join(map(str, info.input_shape)), info.size, info.classes) for info in found
    ]
    return show_table(("DATASET", "SHAPE", "SAMPLES", "CLASSES"), rows)


@click.command()
@click.argument("name", required=False)
@json_option
@with_client
def strategies(client: "Client", name: str | None, as_json: bool) -> None:
    """List the learning strategies, or the keys of one."""
    found = client.strategies()
    if name is None:
        if as_json:
            return show_items(found)
        rows: list[tuple[object, ...]] = [(info.name, info.summary) for info in found]
        return show_table(("STRATEGY", "SUMMARY"), rows)
    info = _named(found, name)
    if as_json:
        return show_json(info)
    say(info.summary)
    return show_table(("KEY", "DEFAULT", "WHAT"), _keys(info.config_schema))


def _named(found: "list[StrategyInfo]", name: str) -> "StrategyInfo":
    from difflib import get_close_matches

    from ganforge.errors import NotFound

    by_name = {info.name: info for info in found}
    if name in by_name:
        return by_name[name]
    near = get_close_matches(name, by_name, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(by_name) or 'none'}"
    raise NotFound(f"there is no strategy {name!r}; {hint}")


def _keys(schema: dict[str, Any]) -> list[tuple[object, ...]]:
    return [
        (key, _default(told.get("default")), told.get("description", ""))
        for key, told in schema.get("properties", {}).items()
    ]


def _default(value: Any) -> str:
    import json

    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


@click.command()
@json_option
@with_client
def learners(client: "Client", as_json: bool) -> None:
    """List the learners and what they work on."""
    found = client.learners()
    if as_json:
        return show_items(found)
    rows: list[tuple[object, ...]] = [
        (
            learner.name,
            learner.device,
            "alive" if learner.is_alive else f"silent for {duration(learner.last_seen_seconds)}",
            learner.job,
        )
        for learner in found
    ]
    return show_table(("LEARNER", "DEVICE", "STATE", "JOB"), rows)
