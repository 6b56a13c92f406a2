"""Datasets as files: found in the data folder without a restart; no torch."""

from ganforge_learner.dataset_files.catalog import (
    DIGITS,
    VALUE_RANGE,
    find_datasets,
    find_source,
    readable,
    survey,
    unknown_dataset,
)
from ganforge_learner.dataset_files.source import Arrays, Outline, Source

__all__ = [
    "DIGITS",
    "VALUE_RANGE",
    "Arrays",
    "Outline",
    "Source",
    "find_datasets",
    "find_source",
    "readable",
    "survey",
    "unknown_dataset",
]
