"""``ganforge jobs``: list, show, watch and steer learn jobs."""

import json
from typing import TYPE_CHECKING, Any

import click

from ganforge.cli import exits, follow
from ganforge.cli.application import Suggesting
from ganforge.cli.connection import json_option, with_client
from ganforge.cli.output import age, say, show_items, show_json, show_table
from ganforge.cli.progress import progress as progress_command

if TYPE_CHECKING:
    from ganforge.client import Client
    from ganforge.wire.jobs import Job
    from ganforge.wire.progress import LearnProgress

STATES = ("QUEUED", "STARTING", "RUNNING", "PAUSED", "SUCCEEDED", "FAILED", "CANCELLED")


@click.group(cls=Suggesting)
def jobs() -> None:
    """List, watch and steer learn jobs."""


jobs.add_command(progress_command)


@jobs.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES, case_sensitive=False),
    help="Only jobs in this state; may be given again.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most.")
@json_option
@with_client
def list_jobs(client: "Client", states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List jobs, newest first."""
    found = [job for job, _ in zip(client.jobs.list(*states), range(limit), strict=False)]
    if as_json:
        return show_items(found)
    heads = ("JOB", "STATE", "ITERATION", "G LOSS", "NETWORKS", "DATASET", "AGE", "NAME")
    show_table(heads, [_row(job) for job in found])
    return None


def _row(job: "Job") -> tuple[object, ...]:
    loss = None if job.progress is None else job.progress.minibatch_loss
    of = "" if job.max_iterations is None else f"/{job.max_iterations:,}"
    return (
        job.id,
        job.state,
        f"{job.iteration:,}{of}",
        loss,
        ",".join(job.networks),
        job.dataset,
        age(job.created_at),
        job.name,
    )


@jobs.command()
@click.argument("job_id", metavar="JOB")
@json_option
@with_client
def show(client: "Client", job_id: str, as_json: bool) -> None:
    """Show one job."""
    job = client.jobs.get(job_id)
    if as_json:
        return show_json(job)
    losses = "" if job.progress is None else _losses(job.progress)
    rows: list[tuple[str, object]] = [
        ("job", job.id),
        ("name", job.name),
        ("state", f"{job.state}" + (f" ({job.reason})" if job.reason else "")),
        ("waits", job.waiting_for),
        ("error", job.error and job.error.detail),
        ("collapse", job.collapse and follow.collapse_words(job.collapse)),
        ("networks", ",".join(job.networks)),
        ("dataset", job.dataset),
        ("filter", follow.filter_words(job)),
        ("iteration", f"{job.iteration:,}"),
        ("of", None if job.max_iterations is None else f"{job.max_iterations:,}"),
        ("losses", losses),
        ("age", age(job.created_at)),
        *(("config", f"{key}={json.dumps(value)}") for key, value in job.config.items()),
        *(("weights", f"{name}@{at.tag}:{at.version}") for name, at in job.weights.items()),
        *(
            ("attempt", f"{attempt.epoch} on {', '.join(attempt.learners)}: {attempt.state}")
            for attempt in job.attempts
        ),
    ]
    for head, value in rows:
        if value not in (None, ""):
            click.echo(f"{head:<10} {value}")
    return None


def _losses(progress: "LearnProgress") -> str:
    told = {"minibatchLoss": progress.minibatch_loss, **progress.extra}
    return "  ".join(
        f"{name} {'not finite' if loss is None else f'{loss:.3f}'}" for name, loss in told.items()
    )


@jobs.command()
@click.argument("job_ids", metavar="JOB...", nargs=-1, required=True)
@click.option("--timeout", type=click.FloatRange(0), help="Give up after so many seconds: exit 8.")
@json_option
@with_client
def watch(client: "Client", job_ids: tuple[str, ...], timeout: float | None, as_json: bool) -> int:
    """Follow jobs until all are over; with --json their events come as JSON lines."""
    found = [client.jobs.get(job_id) for job_id in dict.fromkeys(job_ids)]
    with follow.deadline(timeout):
        try:
            if as_json:
                for event in client.jobs.follow(*job_ids):
                    show_json(event, indent=None)
                return follow.exit_code_of(*(client.jobs.get(job.id) for job in found))
            if len(found) > 1:
                return follow.exit_code_of(*follow.follow_many(client, found))
            return follow.exit_code_of(follow.follow(client, found[0]))
        except follow.TooLate:
            still = "still goes" if len(found) == 1 else "still go"
            say(f"{', '.join(job.id for job in found)} {still} on after {timeout:g} s")
            return exits.PENDING


@jobs.command()
@click.argument("job_id", metavar="JOB")
@json_option
@with_client
def stop(client: "Client", job_id: str, as_json: bool) -> None:
    """End a job after the iteration in hand, and keep what it has learnt."""
    _told(client.jobs.stop(job_id), as_json)


@jobs.command()
@click.argument("job_id", metavar="JOB")
@json_option
@with_client
def pause(client: "Client", job_id: str, as_json: bool) -> None:
    """Take a job from its learner, with a snapshot to go on from."""
    _told(client.jobs.pause(job_id), as_json)


@jobs.command()
@click.argument("job_id", metavar="JOB")
@json_option
@with_client
def resume(client: "Client", job_id: str, as_json: bool) -> None:
    """Let a paused job go on exactly where it was."""
    _told(client.jobs.resume(job_id), as_json)


@jobs.command()
@click.argument("job_id", metavar="JOB")
@json_option
@with_client
def cancel(client: "Client", job_id: str, as_json: bool) -> None:
    """End a job at once; what came after its last snapshot is lost."""
    _told(client.jobs.cancel(job_id), as_json)


@jobs.command()
@click.argument("job_id", metavar="JOB")
@json_option
@with_client
def retry(client: "Client", job_id: str, as_json: bool) -> None:
    """Put a job that is over back into the queue; it goes on from its last snapshot."""
    _told(client.jobs.retry(job_id), as_json)


@jobs.command()
@click.argument("job_id", metavar="JOB")
@click.option("--name", help="A name for people; '' takes it away.")
@click.option("--priority", type=click.IntRange(-100, 100), help="Higher is claimed first.")
@click.option(
    "--max-iterations",
    metavar="N",
    callback=lambda context, parameter, text: _target(text),
    help="The target; 'none' runs until stopped. Not while a learner works on it.",
)
@json_option
@with_client
def edit(
    client: "Client",
    job_id: str,
    name: str | None,
    priority: int | None,
    max_iterations: int | str | None,
    as_json: bool,
) -> None:
    """Change a job: its name, its priority, how far it learns."""
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = name or None
    if priority is not None:
        changes["priority"] = priority
    if max_iterations is not None:
        changes["max_iterations"] = None if max_iterations == "none" else max_iterations
    if not changes:
        raise click.UsageError("say what to change: --name, --priority or --max-iterations")
    _told(client.jobs.edit(job_id, **changes), as_json)


def _target(text: str | None) -> int | str | None:
    if text is None or text == "none":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter("a number of iterations, from 1 up, or none")
    return int(text)


@jobs.command()
@click.argument("job_id", metavar="JOB")
@with_client
def delete(client: "Client", job_id: str) -> None:
    """Remove a job that is over, with its progress; its weights are kept."""
    client.jobs.delete(job_id)
    click.echo(f"{job_id} is deleted")


def _told(job: "Job", as_json: bool) -> None:
    if as_json:
        show_json(job)
    else:
        wish = "" if job.desired == "RUN" else f", to be {_PASSIVE.get(job.desired, job.desired)}"
        click.echo(f"{job.id} is {job.state}" + ("" if job.state.is_final else wish))


_PASSIVE = {"STOP": "stopped", "PAUSE": "paused", "CANCEL": "cancelled"}
