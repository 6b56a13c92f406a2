"""Datasets of plug-ins, by entry point: somebody's own code that gives a ``Dataset``."""

import logging
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ganforge.errors import BadInput
from ganforge.wire.datasets import DatasetInfo

if TYPE_CHECKING:
    from ganforge_learner.datasets import Dataset

logger = logging.getLogger(__name__)

GROUP = "ganforge.datasets"


class DatasetPlugin(Protocol):
    """What a plug-in's entry point names: an object to be called, which can tell of itself."""

    def info(self, data: Path) -> DatasetInfo:
        """Tell what the dataset is like, without loading it; its name is the entry point's."""

    def __call__(self, data: Path) -> "Dataset":
        """Load the dataset.

        Args:
            data: the data folder.
        """


def infos(data: Path) -> list[DatasetInfo]:
    """Tell of every plug-in's dataset; one that cannot be used is left out and logged."""
    found = []
    for point in entry_points(group=GROUP):
        try:
            found.append(_info(point, data))
        except Exception:  # a plug-in is anybody's code
            logger.exception("a plug-in cannot be used: fix it", extra={"name_": point.name})
    return found


def _info(point: EntryPoint, data: Path) -> DatasetInfo:
    plugin: Any = point.load()
    info = plugin.info(data)
    if not isinstance(info, DatasetInfo) or not callable(plugin):
        raise TypeError(f"{point.value} is no DatasetPlugin")
    return DatasetInfo.model_validate({**info.model_dump(), "name": point.name})


def find(name: str) -> EntryPoint | None:
    """Find a plug-in's dataset; None when there is none of this name."""
    return next(iter(entry_points(group=GROUP, name=name)), None)


def load(name: str, point: EntryPoint, data: Path) -> "Dataset":
    """Load a plug-in's dataset.

    Raises:
        BadInput: the plug-in fails, or gives something else.
    """
    from ganforge_learner.datasets import Dataset

    try:
        dataset = point.load()(data)
    except Exception as error:  # a plug-in is anybody's code
        raise BadInput(f"the plug-in that gives {name} fails: {error}") from error
    if not isinstance(dataset, Dataset):
        raise BadInput(f"the plug-in that gives {name} gives a {type(dataset).__name__}")
    return dataset
