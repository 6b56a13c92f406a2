"""The ``ganforge up`` command."""

import ipaddress
import logging
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import click

from ganforge.cli import logs
from ganforge.cli.connection import json_option
from ganforge.cli.output import say, show_json
from ganforge.client import Client
from ganforge.errors import GanforgeError
from ganforge_chassis import serving
from ganforge_local.interrupts import Interrupts
from ganforge_local.machine import Machine

LOOK_SECONDS = 0.5

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="GANFORGE_DATA",
    default=Path("ganforge-data"),
    show_default=True,
    help="The data folder.",
)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@data_option
@click.option(
    "--learners", type=click.IntRange(0, 64), default=1, show_default=True, help="How many."
)
@json_option
def up(host: str, port: int, data: Path, learners: int, as_json: bool) -> None:
    """Start coordinator, repository and learners on this machine.

    The page's URL is printed with the token in it. Ctrl-C or SIGTERM ends all: jobs are given
    back with a snapshot and go on when `ganforge up` is started again.
    """
    require_learner(learners)
    logs.configure(logging.WARNING)
    # The address first: were it taken, nothing would have been touched.
    listening = serving.listen(host, port)
    machine = Machine(listening, data, learners=learners, say=say)
    asked = threading.Event()

    def ask() -> None:
        # In a thread: the main one, which the signal interrupts, may be about to wait for it.
        threading.Thread(target=asked.set).start()

    with Interrupts(first=ask, second=machine.hurry), machine:
        _greet(machine, data, as_json)
        _warn_when_open(host)
        _wait(machine, asked)
        say("ending: jobs are given back, then the server stops (Ctrl-C again: at once)")
    say("ended")


def require_learner(learners: int) -> None:
    """Say what to install when learners are wanted and torch is not there.

    Raises:
        click.UsageError: it is not.
    """
    if learners and find_spec("torch") is None:
        raise click.UsageError(
            "learners need torch, which is not installed: pip install 'ganforge[all]', "
            "or start none with --learners 0"
        )


def _greet(machine: Machine, data: Path, as_json: bool) -> None:
    server = machine.server
    if as_json:
        facts = {"url": server.url, "page": server.page_url, "data": str(data)}
        show_json(facts, indent=None)
    else:
        click.echo(server.page_url)
        say(f"data and token in {data}; logs of the learners in {data / 'learner'}")


def _warn_when_open(host: str) -> None:
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        say("others can reach this address: they need the token, and it travels unencrypted")


def _wait(machine: Machine, asked: threading.Event) -> None:
    """Wait until it is to end; meanwhile tell of each learner when it is ready."""
    began = time.monotonic()
    waited_for = {learner.name for learner in machine.learners}
    with Client(machine.server.url, token=machine.server.token) as client:
        while waited_for and not asked.wait(LOOK_SECONDS):
            waited_for -= _tell_ready(client, waited_for, time.monotonic() - began)
    asked.wait()


def _tell_ready(client: Client, waited_for: set[str], seconds: float) -> set[str]:
    """Tell of the learners that have come within so many seconds, and give their names."""
    try:
        come = [one for one in client.learners() if one.last_seen_seconds < seconds]
    except GanforgeError:
        return set()
    ready = {one.name: one.device for one in come if one.name in waited_for}
    for name, device in ready.items():
        say(f"{name} is ready ({device})")
    return set(ready)
