"""Learning strategies by name: the built-in ones, and plug-ins by entry point."""

import logging
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points

from ganforge.errors import UnknownName
from ganforge_learner.strategies import (
    GANLearningStrategy,
    HingeGANLearningStrategy,
    LSGANLearningStrategy,
    R3GANLearningStrategy,
    WGANGPLearningStrategy,
    WGANLearningStrategy,
)
from ganforge_learner.strategy import LearningStrategy

logger = logging.getLogger(__name__)

GROUP = "ganforge.strategies"

BUILT_IN: dict[str, type[LearningStrategy]] = {
    strategy.__name__: strategy
    for strategy in (
        GANLearningStrategy,
        LSGANLearningStrategy,
        HingeGANLearningStrategy,
        WGANLearningStrategy,
        WGANGPLearningStrategy,
        R3GANLearningStrategy,
    )
}


def strategies() -> dict[str, type[LearningStrategy]]:
    """Give every strategy by name; a plug-in that cannot be used is left out and logged."""
    found = dict(BUILT_IN)
    for point in entry_points(group=GROUP):
        try:
            found.setdefault(point.name, _load(point))
        except Exception:  # a plug-in is anybody's code
            logger.exception("a plug-in cannot be used: fix it", extra={"name_": point.name})
    return found


def _load(point: EntryPoint) -> type[LearningStrategy]:
    """Import a strategy, and see that it can be announced."""
    strategy: type[LearningStrategy] = point.load()
    if not issubclass(strategy, LearningStrategy):
        raise TypeError(f"{point.value} is no LearningStrategy")
    strategy.info(point.name)
    return strategy


def find_strategy(name: str) -> type[LearningStrategy]:
    """Find a strategy.

    Raises:
        UnknownName: there is none of this name; the nearest is suggested.
    """
    found = strategies()
    if name in found:
        return found[name]
    near = get_close_matches(name, found, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(found)}"
    raise UnknownName(f"there is no strategy {name!r}; {hint}", known=sorted(found))
