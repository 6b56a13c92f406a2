"""``ganforge datasets``, ``recipes``, ``strategies``, ``learners``: what a job may name."""

from typing import TYPE_CHECKING, Any, ClassVar

import click

from ganforge.cli.application import Entry, Suggesting, load
from ganforge.cli.connection import json_option, with_client
from ganforge.cli.output import duration, say, show_items, show_json, show_table

if TYPE_CHECKING:
    from ganforge.client import Client
    from ganforge.wire.learning import Learner, StrategyInfo


KNOWN = ("id", "name", "device", "version")
"""Labels that every learner has; what they say stands in other columns."""


class DatasetCommands(Suggesting):
    """The commands that talk to a server, and those that work on a data folder here."""

    LOCAL: ClassVar[dict[str, Entry]] = {
        "add": Entry("ganforge_learner.dataset_command:add", "", "learner"),
        "check": Entry("ganforge_learner.dataset_command:check", "", "learner"),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names of both."""
        return [*super().list_commands(ctx), *self.LOCAL]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command; None when there is none of this name."""
        entry = self.LOCAL.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        return load(f"datasets {cmd_name}", entry)


@click.group(cls=DatasetCommands)
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


@datasets.command("show")
@click.argument("name")
@json_option
@with_client
def show_dataset(client: "Client", name: str, as_json: bool) -> None:
    """Tell of a dataset that the learners can read."""
    from ganforge.errors import NotFound

    found = {info.name: info for info in client.datasets()}
    if name not in found:
        raise NotFound(
            f"no learner reads {name!r}: ganforge datasets check, on a learner's machine, tells "
            "what is wrong with it"
        )
    info = found[name]
    if as_json:
        return show_json(info)
    low, high = info.value_range
    rows: list[tuple[object, ...]] = [
        ("samples", info.size),
        ("shape", "x".join(map(str, info.input_shape))),
        ("values", f"{low:g} to {high:g}"),
        ("classes", info.classes),
        ("digest", info.digest),
    ]
    return show_table((info.name, ""), rows)


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
def recipes(client: "Client", as_json: bool) -> None:
    """List the recipes: whole jobs to start from, as in `ganforge learn recipe=digits`."""
    found = client.recipes()
    if as_json:
        return show_items(found)
    rows: list[tuple[object, ...]] = [
        (recipe.name, recipe.dataset, recipe.summary, recipe.measured) for recipe in found
    ]
    return show_table(("RECIPE", "DATASET", "SUMMARY", "MEASURED"), rows)


@click.group(cls=Suggesting, invoke_without_command=True)
@click.pass_context
@json_option
def learners(context: click.Context, as_json: bool) -> None:
    """List the learners and what they work on; or steer one."""
    if context.invoked_subcommand is None:
        context.invoke(list_learners, as_json=as_json)


@learners.command("list")
@json_option
@with_client
def list_learners(client: "Client", as_json: bool) -> None:
    """List the learners and what they work on."""
    found = client.learners()
    if as_json:
        return show_items(found)
    rows: list[tuple[object, ...]] = [
        (
            learner.name,
            learner.device,
            _state_of(learner),
            learner.job,
            " ".join(f"{key}={value}" for key, value in learner.labels.items() if key not in KNOWN),
        )
        for learner in found
    ]
    return show_table(("LEARNER", "DEVICE", "STATE", "JOB", "LABELS"), rows)


def _state_of(learner: "Learner") -> str:
    if not learner.is_alive:
        return f"silent for {duration(learner.last_seen_seconds)}"
    return "alive" if learner.state == "ACTIVE" else learner.state.lower()


@learners.command("drain")
@click.argument("name")
@json_option
@with_client
def drain_learner(client: "Client", name: str, as_json: bool) -> None:
    """Have a learner give back its job, with a snapshot, and get no more."""
    _steer(client, name, "drain", as_json)


@learners.command("quarantine")
@click.argument("name")
@json_option
@with_client
def quarantine_learner(client: "Client", name: str, as_json: bool) -> None:
    """Give a learner no more jobs; it may end the one in hand."""
    _steer(client, name, "quarantine", as_json)


@learners.command("resume")
@click.argument("name")
@json_option
@with_client
def resume_learner(client: "Client", name: str, as_json: bool) -> None:
    """Give a learner jobs again that was drained or quarantined."""
    _steer(client, name, "resume", as_json)


def _steer(client: "Client", name: str, action: str, as_json: bool) -> None:
    learner = client.steer_learner(name, action)
    if as_json:
        return show_json(learner)
    return say(f"{learner.name} is {learner.state.lower()}")
