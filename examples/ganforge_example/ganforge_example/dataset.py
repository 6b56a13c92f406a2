"""Bars: images of 8x8 pixels with one white row or column."""

from pathlib import Path
from typing import TYPE_CHECKING

from ganforge.wire.datasets import DatasetInfo

if TYPE_CHECKING:
    from ganforge_learner.datasets import Dataset

SIDE = 8


class Bars:
    """Every row and every column once; class 0 are the rows, class 1 the columns."""

    def info(self, data: Path) -> DatasetInfo:
        """Tell what the dataset is like."""
        return DatasetInfo(name="bars", input_shape=(1, SIDE, SIDE), size=2 * SIDE, classes=2)

    def __call__(self, data: Path) -> "Dataset":
        """Draw the images."""
        # Only here: the process that asks for ``info`` does without torch.
        import torch

        from ganforge_learner.datasets import Dataset

        rows = torch.zeros(SIDE, 1, SIDE, SIDE, dtype=torch.uint8)
        for at in range(SIDE):
            rows[at, 0, at] = 255
        samples = torch.cat((rows, rows.transpose(2, 3)))
        targets = torch.arange(2).repeat_interleave(SIDE)
        return Dataset("bars", samples, targets)


bars = Bars()
