"""What a plug-in author imports: the strategy to derive from, networks, generators.

The names are imported when they are first used: the agent's process lives in this package too and
does without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganforge_learner.networks import build_network, load_generator
    from ganforge_learner.strategy import LearningStrategy, LearnProgress

__all__ = ["LearnProgress", "LearningStrategy", "build_network", "load_generator"]

_HOMES = {
    "LearnProgress": "strategy",
    "LearningStrategy": "strategy",
    "build_network": "networks",
    "load_generator": "networks",
}


def __getattr__(name: str) -> Any:
    """Import a name of ``__all__`` when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
