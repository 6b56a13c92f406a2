"""Minibatches come as drawn, each sample with its class."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from ganforge.wire.config import LearnConfig
from ganforge_learner.sampler import Sampler

INPUTS = torch.arange(10.0).reshape(10, 1, 1, 1)
CLASSES = torch.arange(10) % 3


class Pairs:
    """A dataset of somebody else's."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return INPUTS[index], int(CLASSES[index])


def sampler(dataset: Any, **keys: Any) -> Sampler:
    config = LearnConfig.model_validate({"batchSize": 64, **keys})
    stream = torch.Generator().manual_seed(5)
    return Sampler(dataset, config, stream, like=torch.zeros(1, dtype=torch.float64))


@pytest.mark.parametrize("dataset", [TensorDataset(INPUTS, CLASSES), Pairs()])
@pytest.mark.parametrize("sampling", ["UNIFORM", "SEQUENTIAL", "PERMUTATION"])
def test_every_sample_comes_with_its_class(dataset: Any, sampling: str) -> None:
    drawn = sampler(dataset, sampling=sampling).draw()
    assert drawn.inputs.shape == (64, 1, 1, 1)
    assert drawn.inputs.dtype is torch.float64
    assert drawn.classes is not None
    assert drawn.classes.dtype is torch.int64
    assert torch.equal(drawn.classes, drawn.inputs.flatten().long() % 3)


@pytest.mark.parametrize(
    "dataset",
    [TensorDataset(INPUTS), TensorDataset(INPUTS, torch.rand(10)), TensorDataset(INPUTS, INPUTS)],
)
def test_targets_that_are_no_classes_are_left_out(dataset: TensorDataset) -> None:
    assert sampler(dataset).draw().classes is None
