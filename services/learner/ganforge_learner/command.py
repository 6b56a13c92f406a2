"""The ``ganforge learner`` command."""

import os
import signal
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import click

from ganforge.cli import logs
from ganforge.cli.connection import inherited
from ganforge_learner.agent import Agent
from ganforge_learner.outbox import Over
from ganforge_learner.settings import LearnerSettings


@click.command()
@click.option("--server", metavar="URL", help="Both services; else GANFORGE_URL.")
@click.option("--coordinator-url", metavar="URL", help="The coordinator, when it is apart.")
@click.option("--repository-url", metavar="URL", help="The repository, when it is apart.")
@click.option("--token", metavar="TOKEN", help="The token; better set GANFORGE_TOKEN.")
@click.option("--name", help="Its name, the same after every start; this machine's by default.")
@click.option("--device", help="auto, cpu, cuda, or one device such as cuda:1.")
@click.option("--threads", type=click.IntRange(1), help="Threads torch computes with.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    help="What jobs may choose it by, as pool=blue; may be given again.",
)
@click.option("--data", type=click.Path(path_type=Path), help="The data folder, with datasets/.")
@click.option(
    "--until-stdin-ends",
    is_flag=True,
    help="End at once when standard input does: with the process that holds its other end.",
)
def learner(
    server: str | None, until_stdin_ends: bool, labels: tuple[str, ...], **given: Any
) -> None:
    """Work on learn jobs, one after the other.

    SIGTERM or Ctrl-C gives the job in hand back with a snapshot; the second one ends at once.
    """
    if find_spec("torch") is None:
        raise click.UsageError("a learner needs torch: pip install 'ganforge[learner]'")
    logs.configure()
    given["labels"] = ",".join(labels) or None
    settings = _settings(server or inherited("server"), given)
    agent = Agent(settings)
    if until_stdin_ends:
        threading.Thread(target=_end_with_stdin, name="stdin", daemon=True).start()
    _stop_on_signals(agent)
    with suppress(Over):
        agent.run()


def _settings(server: str | None, given: dict[str, Any]) -> LearnerSettings:
    """Make the settings: what was given, else the environment, else the defaults."""
    for which in ("coordinator_url", "repository_url"):
        apart = os.environ.get(f"GANFORGE_{which.upper()}")
        given[which] = given[which] or server or apart or os.environ.get("GANFORGE_URL")
    given["token"] = given["token"] or inherited("token")
    return LearnerSettings(**{name: value for name, value in given.items() if value is not None})


def _stop_on_signals(agent: Agent) -> None:
    asked = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        if asked.is_set():
            os._exit(128 + signum)
        asked.set()
        agent.stop(signum, frame)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _end_with_stdin() -> None:
    """Wait for the end of standard input; nobody is left then who would want the job back."""
    # Not sys.stdin: a thread that holds its lock keeps the interpreter from ending.
    while os.read(0, 1024):
        pass
    os._exit(1)
