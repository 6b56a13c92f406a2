"""``ganforge networks``: list, show and define networks."""

import json
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

import click

from ganforge.cli.application import Suggesting
from ganforge.cli.connection import json_option, with_client
from ganforge.cli.output import age, show_items, show_json, show_table

if TYPE_CHECKING:
    from ganforge.client import Client


@click.group(cls=Suggesting)
def networks() -> None:
    """List, show and define networks."""


@networks.command("list")
@json_option
@with_client
def list_networks(client: "Client", as_json: bool) -> None:
    """List the networks by name."""
    found = list(client.networks.list())
    if as_json:
        return show_items(found)
    rows = [(network.name, network.parameters, age(network.updated_at)) for network in found]
    show_table(("NETWORK", "PARAMETERS", "AGE"), rows)
    return None


@networks.command()
@click.argument("name")
@click.option("--shapes", is_flag=True, help="What each module gives, and its parameters.")
@json_option
@with_client
def show(client: "Client", name: str, shapes: bool, as_json: bool) -> None:
    """Print a network's definition, fit for `put`; with --json all that is known of it."""
    network = client.networks.get(name)
    if shapes:
        return _show_shapes(network.definition, as_json)
    return show_json(network if as_json else network.definition)


def _show_shapes(told: dict[str, Any], as_json: bool) -> None:
    """Print what follows from a definition, module by module; those within others indented."""
    from ganforge.networks import NetworkDefinition, infer

    definition = NetworkDefinition.model_validate(told)
    steps = infer(definition).steps
    if as_json:
        return show_json({"items": [asdict(step) for step in steps]})
    rows: list[tuple[object, ...]] = [("input", "", _say(definition.input), None)]
    for step in steps:
        indent = "  " * sum(part.isalpha() for part in step.path.split("."))
        rows.append((indent + step.path, step.type, _say(step.output), step.parameters or None))
    return show_table(("MODULE", "TYPE", "GIVES", "PARAMETERS"), rows)


def _say(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


@networks.command()
@click.argument("name")
@click.argument("file", type=click.File())
@json_option
@with_client
def put(client: "Client", name: str, file: IO[str], as_json: bool) -> None:
    """Define a network by a JSON file, or by standard input when FILE is -."""
    try:
        definition = json.load(file)
    except ValueError as error:
        raise click.UsageError(f"{file.name} is no JSON: {error}") from error
    if not isinstance(definition, dict):
        raise click.UsageError(f"{file.name} holds no JSON object")
    network = client.networks.put(name, definition)
    if as_json:
        show_json(network)
    else:
        click.echo(f"{network.name}: {network.parameters:,} parameters")
