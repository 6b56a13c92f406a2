"""How people name weights: ``Generator``, ``Generator@tag``, ``Generator@tag:17``."""

from typing import NamedTuple

import click

LATEST = "latest"


class Reference(NamedTuple):
    """Named weights; ``tag`` is None when only the network was named."""

    network: str
    tag: str | None = None
    version: int | str = LATEST

    def __str__(self) -> str:
        if self.tag is None:
            return self.network
        return f"{self.network}@{self.tag}" + ("" if self.version == LATEST else f":{self.version}")


class ReferenceType(click.ParamType[Reference]):
    """An argument that names weights.

    Args:
        needs_tag: whether a tag must be named.
    """

    name = "reference"

    def __init__(self, *, needs_tag: bool = True) -> None:
        self._needs_tag = needs_tag

    def convert(
        self, value: str | Reference, param: click.Parameter | None, ctx: click.Context | None
    ) -> Reference:
        """Read ``NETWORK@TAG[:VERSION]``."""
        if isinstance(value, Reference):
            return value
        network, at, rest = value.partition("@")
        tag, colon, version = rest.partition(":")
        if not network or (at and not tag) or (self._needs_tag and not at):
            self.fail(
                f"{value!r} does not name weights, as Generator@my-run or Generator@my-run:17 does"
            )
        if not at:
            return Reference(network)
        if not colon or version == LATEST:
            return Reference(network, tag)
        if not version.isdigit() or int(version) < 1:
            self.fail(f"{version!r} is no version: it is a number from 1 up, or latest")
        return Reference(network, tag, int(version))
