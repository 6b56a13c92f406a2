"""``ganforge tokens``: make, list and revoke tokens."""

from typing import TYPE_CHECKING

import click

from ganforge.cli.application import Suggesting
from ganforge.cli.connection import json_option, with_client
from ganforge.cli.output import age, say, show_items, show_json, show_table

if TYPE_CHECKING:
    from ganforge.client import Client

ROLES = ("read", "submit", "learner", "admin")
DAY = 86_400


@click.group(cls=Suggesting)
def tokens() -> None:
    """Make, list and revoke tokens; for admins."""


@tokens.command()
@click.argument("role", type=click.Choice(ROLES))
@click.argument("principal")
@click.option("--days", type=click.FloatRange(0, 3660, min_open=True), help="Until it expires.")
@json_option
@with_client
def create(client: "Client", role: str, principal: str, days: float | None, as_json: bool) -> None:
    """Make a token for PRINCIPAL, whose it is: a name of your choice.

    The token is printed this once. Learners whose tokens have one principal may act for one
    another, those of others not.
    """
    lifetime = None if days is None else max(1, round(days * DAY))
    made = client.tokens.create(role, principal, lifetime_seconds=lifetime)
    if as_json:
        return show_json(made)
    say(f"token {made.id} for {principal} ({role}); it is not told again:")
    click.echo(made.token)
    return None


@tokens.command("list")
@json_option
@with_client
def list_tokens(client: "Client", as_json: bool) -> None:
    """List the tokens, oldest first; those of the server's settings are not told."""
    found = list(client.tokens.list())
    if as_json:
        return show_items(found)
    heads = ("TOKEN", "ROLE", "PRINCIPAL", "AGE", "EXPIRES", "LAST USED")
    rows = [
        (
            token.id,
            token.role,
            token.principal,
            age(token.created_at),
            token.expires_at and f"{token.expires_at:%Y-%m-%d %H:%M}",
            token.last_used_at and age(token.last_used_at),
        )
        for token in found
    ]
    show_table(heads, rows)
    return None


@tokens.command()
@click.argument("token_id", metavar="TOKEN_ID")
@with_client
def revoke(client: "Client", token_id: str) -> None:
    """Revoke a token, named by the id that `list` tells."""
    client.tokens.revoke(token_id)
    click.echo(f"{token_id} is revoked")
