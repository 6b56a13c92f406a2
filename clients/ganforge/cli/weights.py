"""``ganforge weights``: list, pull, push, promote, compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli.application import Suggesting
from ganforge.cli.connection import json_option, with_client
from ganforge.cli.output import age, say, show_items, show_json, show_table, size
from ganforge.cli.reference import LATEST, Reference, ReferenceType

if TYPE_CHECKING:
    from ganforge.client import Client
    from ganforge.wire.weights import Version


@click.group(cls=Suggesting)
def weights() -> None:
    """Pull, push, promote and compare weights, named as in Generator@my-run:17."""


@weights.command("list")
@click.argument(
    "what", required=False, metavar="[NETWORK[@TAG]]", type=ReferenceType(needs_tag=False)
)
@json_option
@with_client
def list_weights(client: "Client", what: Reference | None, as_json: bool) -> None:
    """List the tags of all networks, or of one; or the versions of one tag."""
    if what is not None and what.tag is not None:
        return _list_versions(client, what.network, what.tag, as_json)
    names = [what.network] if what else [network.name for network in client.networks.list()]
    found = [(name, tag) for name in names for tag in client.weights.tags(name)]
    if as_json:
        items = [{"network": name, **tag.model_dump(mode="json")} for name, tag in found]
        return show_json({"items": items})
    rows = [(f"{name}@{tag.tag}", tag.latest_version, age(tag.updated_at)) for name, tag in found]
    return show_table(("WEIGHTS", "VERSIONS", "AGE"), rows)


def _list_versions(client: "Client", network: str, tag: str, as_json: bool) -> None:
    found = list(client.weights.versions(network, tag=tag))
    if as_json:
        return show_items(found)
    heads = ("WEIGHTS", "ITERATION", "G LOSS", "SIZE", "SOURCE", "AGE")
    rows: list[tuple[object, ...]] = [
        (
            f"{network}@{tag}:{version.version}",
            version.iteration,
            version.losses.get("minibatchLoss"),
            size(version.size_bytes),
            version.source,
            age(version.created_at),
        )
        for version in found
    ]
    return show_table(heads, rows)


@weights.command()
@click.argument("what", metavar="NETWORK@TAG[:VERSION]", type=ReferenceType())
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; NETWORK.safetensors, in small letters, when not given.",
)
@json_option
@with_client
def pull(client: "Client", what: Reference, out: Path | None, as_json: bool) -> None:
    """Fetch weights into a safetensors file, whole and verified."""
    path = out or Path(f"{what.network.lower()}.safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    version = client.weights.version(what.network, tag=_tag(what), version=what.version)
    client.weights.pull(what.network, tag=_tag(what), version=version.version, to=path)
    if as_json:
        return show_json({"path": str(path), "version": _summary(version)})
    say(f"{what.network}@{version.tag}:{version.version}, {size(version.size_bytes)}")
    click.echo(path)
    return None


@weights.command()
@click.argument("what", metavar="NETWORK@TAG", type=ReferenceType())
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@with_client
def push(client: "Client", what: Reference, file: Path, as_json: bool) -> None:
    """Bring a safetensors file as the next version of a tag."""
    pushed = client.weights.push(what.network, file, tag=_tag(what, plain=True))
    if pushed.nonfinite_count:
        say(f"warning: {pushed.nonfinite_count} of its numbers are NaN or infinite")
    _show(pushed, as_json)


@weights.command()
@click.argument("source", metavar="NETWORK@TAG[:VERSION]", type=ReferenceType())
@click.argument("target", metavar="[NETWORK@]TAG")
@json_option
@with_client
def promote(client: "Client", source: Reference, target: str, as_json: bool) -> None:
    """Point a tag at an existing version; no bytes are copied."""
    network, _, tag = target.rpartition("@")
    if network not in ("", source.network):
        raise click.UsageError(f"{target}: the target is a tag of {source.network} too")
    promoted = client.weights.promote(
        source.network, tag=tag, from_tag=_tag(source), from_version=source.version
    )
    _show(promoted, as_json)


@weights.command()
@click.argument("what", metavar="NETWORK@TAG:VERSION", type=ReferenceType())
@click.argument("other", metavar="[VERSION]", default=LATEST)
@json_option
@with_client
def diff(client: "Client", what: Reference, other: str, as_json: bool) -> None:
    """Tell tensor by tensor how another version of the tag differs; the latest by default."""
    other = other.removeprefix(f"{what.network}@{_tag(what)}:")
    if not other.isdigit() and other != LATEST:
        raise click.UsageError(f"{other}: give another version of {what}, as in 7 or latest")
    found = client.weights.diff(what.network, tag=_tag(what), a=what.version, b=other)
    if as_json:
        return show_json(found)
    if found.identical:
        say("both are the same bytes")
    rows: list[tuple[object, ...]] = [
        (tensor.name, tensor.difference_norm, tensor.cosine, f"{tensor.changed_share:.1%}")
        for tensor in found.tensors
    ]
    return show_table(("TENSOR", "|B - A|", "COSINE", "CHANGED"), rows)


def _tag(what: Reference, *, plain: bool = False) -> str:
    if plain and what.version != LATEST:
        raise click.UsageError(f"{what}: a version cannot be chosen, it is the next one")
    assert what.tag is not None, "ReferenceType has asked for it"
    return what.tag


def _show(version: "Version", as_json: bool) -> None:
    if as_json:
        show_json(version)
    else:
        click.echo(f"{version.network}@{version.tag}:{version.version}")


def _summary(version: "Version") -> dict[str, Any]:
    return version.model_dump(mode="json", exclude={"tensors"})
