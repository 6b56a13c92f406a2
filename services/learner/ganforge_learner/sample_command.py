"""The ``ganforge sample`` command."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch

from ganforge.cli.connection import json_option, with_client
from ganforge.cli.output import say, show_json
from ganforge.cli.reference import Reference, ReferenceType
from ganforge.errors import BadInput
from ganforge.networks import NetworkDefinition
from ganforge.networks.definition import Sigmoid
from ganforge_learner import samples
from ganforge_learner.networks import load_generator

if TYPE_CHECKING:
    from ganforge.client import Client
    from ganforge.wire.weights import Version


@click.command()
@click.argument("what", metavar="NETWORK[@TAG[:VERSION]]", type=ReferenceType(needs_tag=False))
@click.option("--n", "count", type=click.IntRange(1, 4096), default=64, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("grid.png"),
    show_default=True,
    help="The picture, a PNG.",
)
@json_option
@with_client
def sample(
    client: "Client", what: Reference, count: int, seed: int, out: Path, as_json: bool
) -> None:
    """Draw a grid of samples with a generator; the same seed gives the same grid.

    A conditional generator draws its classes in turn, each in columns of its own.

    Without a tag it is the one that got a version last.
    """
    tag = what.tag or client.weights.newest_tag(what.network)
    version = client.weights.version(what.network, tag=tag, version=what.version)
    definition = NetworkDefinition.model_validate(client.networks.get(what.network).definition)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(_draw(client, version, definition, count=count, seed=seed))
    if as_json:
        told = version.model_dump(mode="json", exclude={"tensors"})
        return show_json({"path": str(out), "n": count, "seed": seed, "version": told})
    say(f"{count} samples of {what.network}@{tag}:{version.version}")
    click.echo(out)
    return None


def _draw(
    client: "Client", version: "Version", definition: NetworkDefinition, *, count: int, seed: int
) -> bytes:
    """Fetch the weights and draw the grid, as PNG."""
    if len(definition.input) != 1:
        raise BadInput(f"{definition.name} takes no latents, so it is no generator")
    with tempfile.TemporaryDirectory(prefix="ganforge-") as folder:
        file = client.weights.pull(
            version.network,
            tag=version.tag,
            version=version.version,
            to=Path(folder) / "generator.safetensors",
        )
        generator = load_generator(file, definition)
    latents_NZ = torch.randn(
        count, definition.input[0], generator=torch.Generator().manual_seed(seed)
    )
    inputs = [latents_NZ]
    if definition.classes:
        inputs.append(torch.arange(count) % definition.classes)
    with torch.inference_mode():
        images_NCHW = generator(*inputs)
    if images_NCHW.dim() != 4:
        raise BadInput(f"{definition.name} makes no images, so there is nothing to draw")
    value_range = (0.0, 1.0) if isinstance(definition.modules[-1], Sigmoid) else (-1.0, 1.0)
    columns = samples.columns_for(definition.classes)
    return samples.draw_grid(images_NCHW, value_range, columns=columns)
