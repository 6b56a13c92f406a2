"""``ganforge jobs progress``: every LearnProgress of a job as lines, a table or Arrow."""

import csv
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ganforge.cli.connection import with_client

if TYPE_CHECKING:
    from ganforge.client import Client

FORMATS = ("ndjson", "arrow", "csv")


@click.command()
@click.argument("job_id", metavar="JOB")
@click.option(
    "--format", "kind", type=click.Choice(FORMATS), default="ndjson", show_default=True, help="How."
)
@click.option("--out", type=click.Path(path_type=Path), help="The file; stdout when not given.")
@with_client
def progress(client: "Client", job_id: str, kind: str, out: Path | None) -> None:
    """Write every LearnProgress of a job: a JSON line each, a CSV table, or an Arrow stream."""
    parts = _as_csv(client, job_id) if kind == "csv" else client.jobs.export(job_id, kind)
    with _opened(out) as file:
        for part in parts:
            file.write(part)


@contextmanager
def _opened(out: Path | None) -> Iterator[BinaryIO]:
    """Open the file, which appears whole or not at all."""
    if out is None:
        yield sys.stdout.buffer
        return
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


def _as_csv(client: "Client", job_id: str) -> Iterator[bytes]:
    """Give a head and a row for each point; what is no number is left empty."""
    names = list(client.jobs.progress(job_id, max_points=2).series)
    yield _row(["iteration", *names])
    for told in client.jobs.all_progress(job_id):
        values = {"minibatchLoss": told.minibatch_loss, **told.extra}
        yield _row([told.iteration, *(values.get(name) for name in names)])


def _row(cells: list[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()
