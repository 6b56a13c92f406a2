"""scikit-learn's digits: 1,797 real ones of 8x8 pixels, there without any file of the user's."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ganforge.errors import BadInput
from ganforge_learner.dataset_files.source import Arrays, Outline, Stamp, WholeSource

HIGHEST = 16
SIZE = 1797
SHAPE = (1, 8, 8)
CLASSES = 10


@dataclass(frozen=True)
class DigitsSource(WholeSource):
    """Rows of 64 pixels from 0 to 16, then the class.

    The file is read without importing scikit-learn, which takes longer than the first thousand
    iterations.
    """

    name: str = "digits"

    def stamp(self) -> Stamp:
        """Tell that it never changes."""
        return ()

    def read(self) -> Arrays:
        """Read scikit-learn's file."""
        package = find_spec("sklearn")
        if package is None or package.origin is None:
            raise BadInput("digits comes with scikit-learn: pip install 'ganforge[learner]'")
        path = Path(package.origin).parent / "datasets/data/digits.csv.gz"
        rows = np.loadtxt(path, delimiter=",")
        images = rows[:, :64].astype(np.uint8).reshape(-1, *SHAPE)
        outline = Outline(SHAPE, len(images), rows[:, 64].astype(np.int64), highest=HIGHEST)
        return Arrays(outline, images)
