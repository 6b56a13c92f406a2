"""Networks of plug-ins, by entry point: definitions that are offered like the built-in ones."""

import logging
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ganforge.networks import NetworkDefinition, infer

logger = logging.getLogger(__name__)

GROUP = "ganforge.networks"


def definitions() -> list[NetworkDefinition]:
    """Give the networks of all plug-ins; a plug-in that cannot be used is left out and logged."""
    found = []
    for point in entry_points(group=GROUP):
        try:
            found += _load(point)
        except Exception:  # a plug-in is anybody's code
            logger.exception("a plug-in cannot be used: fix it", extra={"name_": point.name})
    return found


def _load(point: EntryPoint) -> list[NetworkDefinition]:
    """Read an entry point: a definition, several of them, or what gives them when it is called."""
    named: Any = point.load()
    if callable(named):
        named = named()
    several = [named] if isinstance(named, NetworkDefinition) else named
    if not isinstance(several, Iterable):
        raise TypeError(f"{point.value} gives no NetworkDefinition")
    made = list(several)
    for definition in made:
        if not isinstance(definition, NetworkDefinition):
            raise TypeError(f"{point.value} gives a {type(definition).__name__}")
        infer(definition)  # one that fits nowhere is refused here
    return made
