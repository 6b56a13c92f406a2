"""``ganforge networks``: list, show and define networks."""

import json
from typing import IO, TYPE_CHECKING

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
@json_option
@with_client
def show(client: "Client", name: str, as_json: bool) -> None:
    """Print a network's definition, fit for `put`; with --json all that is known of it."""
    network = client.networks.get(name)
    show_json(network if as_json else network.definition)


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
