"""The tree of commands, each imported only when it is called."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

import ganforge
from ganforge.cli import exits


class Entry(NamedTuple):
    """Where a command lives, beside what it is for."""

    home: str
    summary: str
    extra: str


# Services are named, never imported here: each comes with an extra of its own.
SECTIONS: dict[str, dict[str, Entry]] = {
    "Everything on this machine": {
        "demo": Entry(
            "ganforge_local.demo:demo", "Train a GAN on real digits and leave its pictures.", "all"
        ),
        "up": Entry("ganforge_local.up:up", "Start coordinator, repository and learners.", "all"),
    },
    "Learning": {
        "learn": Entry("ganforge.cli.learn:learn", "Submit a learn job and follow it.", "cli"),
        "evaluate": Entry(
            "ganforge.cli.evaluate:evaluate", "Say in numbers how good a generator is.", "cli"
        ),
        "jobs": Entry("ganforge.cli.jobs:jobs", "List, watch and steer learn jobs.", "cli"),
        "recipes": Entry("ganforge.cli.catalog:recipes", "Whole jobs to start from.", "cli"),
        "datasets": Entry("ganforge.cli.catalog:datasets", "What can be learnt from.", "cli"),
        "strategies": Entry(
            "ganforge.cli.catalog:strategies", "How can be learnt, and with which keys.", "cli"
        ),
        "tokens": Entry("ganforge.cli.tokens:tokens", "Who may do what: make, revoke.", "cli"),
        "learners": Entry("ganforge.cli.catalog:learners", "Who learns, and what.", "cli"),
    },
    "Networks and weights": {
        "networks": Entry("ganforge.cli.networks:networks", "List and define networks.", "cli"),
        "weights": Entry("ganforge.cli.weights:weights", "Pull, push and compare weights.", "cli"),
        "sample": Entry(
            "ganforge_learner.sample_command:sample", "Draw a grid of samples.", "learner"
        ),
    },
    "One service, for production": {
        "coordinator": Entry(
            "ganforge_coordinator.command:coordinator", "Serve the coordinator.", "coordinator"
        ),
        "repository": Entry(
            "ganforge_repository.command:repository", "Serve the repository.", "repository"
        ),
        "learner": Entry("ganforge_learner.command:learner", "Work on learn jobs.", "learner"),
        "db": Entry(
            "ganforge_local.db:db", "Upgrade, check and back up the databases.", "coordinator"
        ),
    },
}

COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Suggesting(click.Group):
    """A group that names the nearest command when it knows none of the given name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say what was probably meant."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


class Commands(Suggesting):
    """All commands; one is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order they are shown."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is none of this name."""
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else load(cmd_name, entry)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what every command is for, without importing any."""
        widest = max(map(len, COMMANDS))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(widest), entry.summary) for name, entry in section.items()]
                )


def load(name: str, entry: Entry) -> click.Command:
    """Import a command; say which extra it needs when that is not installed."""
    home, _, attribute = entry.home.partition(":")
    try:
        command: click.Command = getattr(importlib.import_module(home), attribute)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("ganforge") and missing != home.partition(".")[0]:
            raise  # a module of ours, in a package that is there: a bug
        raise click.UsageError(
            f"ganforge {name} needs {error.name}, which is not installed: "
            f"pip install 'ganforge[{entry.extra}]'"
        ) from error
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--server", metavar="URL", help="The server; else GANFORGE_URL.")
@click.option("--token", metavar="TOKEN", help="The token; better set GANFORGE_TOKEN.")
@click.version_option(ganforge.__version__, message="ganforge %(version)s")
def cli(server: str | None, token: str | None) -> None:
    """GAN training as a service.

    Submit a learn job, watch the pictures improve, fetch the generator.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line and give its exit code; every mistake of a user is one sentence."""
    try:
        result: Any = cli.main(args=list(arguments), prog_name="ganforge", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.UsageError as error:
        return exits.tell_usage(error)
    except click.ClickException as error:
        return exits.tell(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has read enough; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
    except Exception as error:
        code = exits.code_of(error)
        if code is None:
            raise
        return exits.tell(str(error), code)
    return result if isinstance(result, int) else exits.OK
