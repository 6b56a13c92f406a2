"""``ganforge learn``: submit a job and follow it."""

from itertools import takewhile
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli import exits, follow, pairs
from ganforge.cli.connection import json_option, with_client
from ganforge.cli.output import say, show_json

if TYPE_CHECKING:
    from ganforge.client import Client
    from ganforge.wire.jobs import Job


@click.command()
@click.argument("words", nargs=-1, metavar="[NETWORKS DATASET] [KEY=VALUE]...")
@click.option("--name", help="A name for people.")
@click.option("--priority", type=click.IntRange(-100, 100), default=0, help="Higher comes first.")
@click.option(
    "--stall-seconds",
    type=click.FloatRange(1, 604_800),
    help="How long an iteration may take before its attempt is taken for hung.",
)
@click.option("--detach", is_flag=True, help="Submit and return; do not follow.")
@json_option
@with_client
def learn(
    client: "Client",
    words: tuple[str, ...],
    name: str | None,
    priority: int,
    stall_seconds: float | None,
    detach: bool,
    as_json: bool,
) -> int:
    """Submit a learn job and follow it until it is over.

    NETWORKS are separated by commas, in the order the strategy takes them. The keys are those of
    `ganforge strategies`:

    \b
      ganforge learn Generator,Discriminator MNIST \\
        strategy=GANLearningStrategy generatorDim=10 batchSize=16 \\
        method=SGD learningRate=0.001 momentum=0.9

    Or start from a recipe, which names NETWORKS and DATASET; keys given here win over its own:

    \b
      ganforge learn recipe=digits maxIterations=5000

    Ctrl-C stops following, not the job. The exit code is 1 when the job fails.
    """  # noqa: D301 - click wants the character \b itself
    try:
        networks, dataset, keys = _read(words)
    except ValueError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error
    job = client.learn(
        networks, dataset, name=name, priority=priority, stall_seconds=stall_seconds, **keys
    )
    say(f"job {job.id} is queued -> {client.coordinator_url}/jobs/{job.id}")
    if detach:
        return _show(job, as_json)
    try:
        job = follow.follow(client, job)
    except KeyboardInterrupt:
        say(
            f"no longer following; the job goes on\n"
            f"  watch it: ganforge jobs watch {job.id}\n"
            f"  stop it:  ganforge jobs stop {job.id}"
        )
        return exits.INTERRUPTED
    _show(job, as_json)
    return follow.exit_code_of(job)


def _read(words: tuple[str, ...]) -> "tuple[str | None, str | None, dict[str, Any]]":
    """Take networks and dataset, where they are, and the keys apart.

    Raises:
        ValueError: one of the two is missing, or what follows is no pair.
    """
    names = list(takewhile(lambda word: "=" not in word, words[:2]))
    keys = pairs.parse(words[len(names) :])
    if len(names) == 2:
        return names[0], names[1], keys
    if not names and "recipe" in keys:
        return None, None, keys
    raise ValueError("name NETWORKS and DATASET, or a recipe: recipe=digits")


def _show(job: "Job", as_json: bool) -> int:
    """Print what there is of the job: all of it, or its weights, or at first its id."""
    if as_json:
        show_json(job)
    elif job.weights:
        for network, link in job.weights.items():
            click.echo(f"{network}@{link.tag}:{link.version}")
    else:
        click.echo(job.id)
    return exits.OK
