"""Options every command has that talks to a server."""

import functools
from collections.abc import Callable
from typing import Any

import click


def with_client(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--server`` and ``--token``, and a ``Client`` as its first argument."""

    @click.option("--server", metavar="URL", help="The server; else GANFORGE_URL.")
    @click.option("--token", metavar="TOKEN", help="The token; better set GANFORGE_TOKEN.")
    @functools.wraps(function)
    def run(*args: Any, server: str | None, token: str | None, **options: Any) -> Any:
        from ganforge.client import Client

        with Client(server or inherited("server"), token=token or inherited("token")) as client:
            return function(client, *args, **options)

    return run


def inherited(option: str) -> str | None:
    """Give what was said before the command's name, as in ``ganforge --server URL jobs list``."""
    given: str | None = click.get_current_context().find_root().params.get(option)
    return given


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
