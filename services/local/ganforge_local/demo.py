"""The ``ganforge demo`` command."""

import logging
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import click

from ganforge.cli import exits, follow, logs
from ganforge.cli.connection import json_option
from ganforge.cli.output import say, show_json
from ganforge.client import Client
from ganforge.errors import Conflict, GanforgeError
from ganforge.recipes import find_recipe
from ganforge.wire.averages import average_of
from ganforge.wire.jobs import Job
from ganforge_chassis import serving
from ganforge_local.interrupts import Interrupts
from ganforge_local.machine import Machine
from ganforge_local.up import require_learner

PORT = 8080
RECIPE = find_recipe("digits")
GENERATOR = RECIPE.networks[0]


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where weights and pictures go.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data folder; data in OUT when not given.",
)
@json_option
def demo(out: Path, data: Path | None, as_json: bool) -> int:
    """Train a GAN on real digits and leave its weights and pictures.

    Starts everything on this machine, learns from scikit-learn's 8x8 digits, saves, and ends all
    it started. Ctrl-C ends the training early and keeps what was learnt.
    """
    require_learner(1)
    logs.configure(logging.WARNING)
    data = data or out / "data"
    machine = Machine(_listen(), data, learners=1, say=say)
    _announce(machine, out)
    run = Run(machine)
    with Interrupts(first=run.stop_kindly, second=run.stop_at_once) as interrupts, machine:
        job = run.learn()
        files = _save(run.client, job, out)
    return _report(job, files, data=data, interrupted=interrupts.asked, as_json=as_json)


def _listen() -> socket.socket:
    """Take the usual port, or a free one when it is taken."""
    try:
        return serving.listen("127.0.0.1", PORT)
    except Conflict:
        return serving.listen("127.0.0.1", 0)


def _announce(machine: Machine, out: Path) -> None:
    say(
        "This trains a GAN on 1,797 real handwritten digits of 8x8 pixels: about 20 seconds on "
        "one CPU thread.\n"
        f"No account, no download; nothing leaves this machine. Files go to {out}/.\n"
        f"Watch it at {machine.server.page_url}\n"
        "Ctrl-C ends it early and keeps what was learnt."
    )


class Run:
    """The demo's one job.

    Args:
        machine: where it runs.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.client = Client(machine.server.url, token=machine.server.token)
        self._job: Job | None = None

    def learn(self) -> Job:
        """Submit the job, follow it and give it as it is in the end."""
        self._job = self.client.learn(name="demo", recipe=RECIPE.name)
        say("a learner is starting: torch takes a few seconds to import")
        return follow.follow(self.client, self._job, expect_learner=True)

    def stop_kindly(self) -> None:
        """Have the job end after the iteration in hand; what it learnt is saved as ever."""
        if self._job is None:
            raise KeyboardInterrupt
        # In a thread: the main thread may be in the middle of a request of its own.
        threading.Thread(target=self._ask_to_stop, args=(self._job.id,)).start()

    def _ask_to_stop(self, job_id: str) -> None:
        with suppress(GanforgeError):  # it is over anyway; else there is a second Ctrl-C
            self.client.jobs.stop(job_id)

    def stop_at_once(self) -> None:
        """End everything now."""
        self._machine.hurry()
        raise KeyboardInterrupt


def _save(client: Client, job: Job, out: Path) -> dict[str, Path]:
    """Fetch weights and pictures; gives what there is by name."""
    generator = _newest_generator(job)
    if (link := job.weights.get(generator)) is None:
        return {}
    out.mkdir(parents=True, exist_ok=True)
    files = {name: out / name for name in ("generator.safetensors", "samples.png", "timelapse.png")}
    client.weights.pull(
        generator, tag=link.tag, version=link.version, to=files["generator.safetensors"]
    )
    frames = _frames(client, generator, link.tag)
    files["samples.png"].write_bytes(frames[-1])
    # Only now: torch takes its seconds to import.
    from ganforge_learner.samples import timelapse

    files["timelapse.png"].write_bytes(timelapse(frames))
    return files


def _newest_generator(job: Job) -> str:
    """Name the network to keep: the generator's moving average where there is one."""
    average = average_of(GENERATOR)
    return average if average in job.weights else GENERATOR


def _frames(client: Client, generator: str, tag: str) -> list[bytes]:
    """Fetch the sample grids of all versions, oldest first."""
    versions = [found.version for found in client.weights.versions(generator, tag=tag)]
    return [
        client.weights.samples(generator, tag=tag, version=version) for version in sorted(versions)
    ]


def _report(
    job: Job, files: dict[str, Path], *, data: Path, interrupted: bool, as_json: bool
) -> int:
    """Tell what came of it; gives the exit code."""
    if as_json:
        show_json({"job": job.model_dump(mode="json"), "files": _paths(files)})
    else:
        _tell(job, files, interrupted=interrupted)
        if files and not interrupted:
            say(_next_commands(data))
    return exits.INTERRUPTED if interrupted else follow.exit_code_of(job)


def _paths(files: dict[str, Path]) -> dict[str, str]:
    return {name.partition(".")[0]: str(path) for name, path in files.items()}


def _tell(job: Job, files: dict[str, Path], *, interrupted: bool) -> None:
    if not files:
        say("nothing was learnt yet, so nothing is saved")
        return
    if job.progress is not None:
        losses = {"G": job.progress.minibatch_loss, **job.progress.extra}
        told = "  ".join(f"{name} {value:.3f}" for name, value in losses.items() if value)
        say(f"last losses: {told}")
    generator = _newest_generator(job)
    link = job.weights[generator]
    if interrupted:
        say(f"stopped at iteration {job.iteration:,}: version {link.version} is saved")
    what = {
        "generator.safetensors": f"the weights {generator}@{link.tag}:{link.version}",
        "samples.png": "64 digits it makes up",
        "timelapse.png": "how it learnt them, one frame a version: opens in a browser",
    }
    widest = max(len(str(path)) for path in files.values())
    for name, path in files.items():
        click.echo(f"  {path!s:<{widest}}  {what[name]}")


def _next_commands(data: Path) -> str:
    ganforge = "python3 run.py" if _came_by_run_py() else "ganforge"
    variable = f"GANFORGE_DATA={data}"
    return (
        "\nNext:\n"
        f"  {variable} {ganforge} up\n"
        "      every version in the page, and a server for the two below\n"
        f"  {variable} {ganforge} sample {GENERATOR} --seed 7 --out more.png\n"
        "      other digits\n"
        f"  {variable} {ganforge} learn recipe={RECIPE.name} maxIterations=10000 seed=2\n"
        "      another run, with keys of your own"
    )


def _came_by_run_py() -> bool:
    """Tell whether the user typed ``python3 run.py``: then no ``ganforge`` is on the path."""
    return Path(sys.argv[0]).name == "__main__.py" and Path("run.py").exists()
