"""``ganforge evaluate``: say in numbers how good a generator is."""

from typing import TYPE_CHECKING

import click

from ganforge.cli import exits, follow, pairs
from ganforge.cli.connection import json_option, with_client
from ganforge.cli.output import say, show_json, show_table
from ganforge.cli.reference import Reference, ReferenceType

if TYPE_CHECKING:
    from ganforge.client import Client
    from ganforge.wire.quality import Quality, QualityNote

FIGURES = {
    "fcd": ("Frechet classifier distance", "lower is better"),
    "classes_covered": ("classes covered", "all is best"),
    "class_kl": ("class KL, in nats", "lower is better"),
    "classifier_score": ("classifier score", "at best the number of classes"),
    "precision": ("precision", "1 is best, but never by itself"),
    "recall": ("recall", "1 is best"),
    "density": ("density", "about 1 for real images"),
    "coverage": ("coverage", "1 is best"),
    "near_copies": ("near-copies", "much more than real images have: it copies"),
    "sliced_wasserstein": ("sliced Wasserstein", "lower is better"),
}


@click.command()
@click.argument("what", metavar="GENERATOR[@TAG[:VERSION]]", type=ReferenceType(needs_tag=False))
@click.argument("dataset")
@click.argument("config", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--name", help="A name for people.")
@click.option("--priority", type=click.IntRange(-100, 100), default=0, help="Higher comes first.")
@click.option("--detach", is_flag=True, help="Submit and return; do not wait.")
@json_option
@with_client
def evaluate(
    client: "Client",
    what: Reference,
    dataset: str,
    config: tuple[str, ...],
    name: str | None,
    priority: int,
    detach: bool,
    as_json: bool,
) -> int:
    """Evaluate a version of a generator against a dataset, and print the figures.

    Without a tag it is the one that got a version last. The keys are samples and seed. Beside
    every figure stands what as many real images get: no generator can do better.
    """
    try:
        keys = pairs.parse(config)
    except ValueError as error:
        raise click.UsageError(str(error), click.get_current_context()) from error
    if wrong := sorted(keys.keys() & {"strategy", "tag", "version", "targetCount"}):
        raise click.UsageError(
            f"{wrong[0]} is no key of an evaluation: write GENERATOR@TAG:VERSION"
        )
    job = client.evaluate(
        what.network,
        dataset,
        tag=what.tag,
        version=what.version,
        name=name,
        priority=priority,
        **keys,
    )
    say(f"job {job.id} is queued -> {client.coordinator_url}/jobs/{job.id}")
    if detach:
        show_json(job) if as_json else click.echo(job.id)
        return exits.OK
    try:
        job = follow.follow(client, job)
    except KeyboardInterrupt:
        say(f"no longer following; the job goes on\n  watch it: ganforge jobs watch {job.id}")
        return exits.INTERRUPTED
    for note in client.jobs.quality(job.id):
        show_json(note) if as_json else _show(note)
    return follow.exit_code_of(job)


def _show(note: "QualityNote") -> None:
    """Print the figures, each with what real images get."""
    quality = note.quality
    say(
        f"{note.network}@{note.tag}:{note.version}: {quality.samples:,} samples against as many of "
        f"{quality.dataset}, judged by {quality.judge.network} "
        f"({100 * quality.judge.accuracy:.1f} % right of {quality.judge.task})"
    )
    show_table(["FIGURE", "GENERATOR", "REAL", ""], _rows(quality))


def _rows(quality: "Quality") -> list[tuple[object, ...]]:
    return [
        (words, getattr(quality, figure), getattr(quality.floor, figure), hint)
        for figure, (words, hint) in FIGURES.items()
        if getattr(quality, figure) is not None
    ]
