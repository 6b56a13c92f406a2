"""Minibatches: drawn by index from a dataset that lies whole on the device."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from ganforge.errors import BadInput
from ganforge.wire.config import LearnConfig, Sampling
from ganforge_learner.datasets import Dataset


class Batch(NamedTuple):
    """A minibatch.

    Attributes:
        inputs: samples in the networks' dtype, shape (N, *sample_shape).
        classes: int64 (N), or None when the dataset has no classes.
    """

    inputs: Tensor
    classes: Tensor | None


class Sampler:
    """Draws minibatches.

    UNIFORM draws with replacement; SEQUENTIAL goes through the dataset in order, again and
    again; PERMUTATION likewise, in an order drawn anew every time around.

    Args:
        dataset: ours, a ``TensorDataset``, or anything with ``__len__`` and ``__getitem__`` ->
            (input, target), which is then read once, whole.
        config: gives ``sampling`` and ``batchSize``.
        stream: the random stream to draw from, on the device of ``like``.
        like: gives the device and the dtype of the minibatches.

    Raises:
        BadInput: the dataset is empty.
    """

    def __init__(
        self, dataset: Any, config: LearnConfig, stream: torch.Generator, *, like: Tensor
    ) -> None:
        if len(dataset) == 0:
            raise BadInput("the dataset is empty")
        inputs, classes = _tensors_of(dataset)
        self._inputs = inputs.to(device=like.device, dtype=like.dtype)
        self._classes = None if classes is None else classes.to(like.device)
        self._sampling = config.sampling
        self._batch_size = config.batch_size
        self._stream = stream
        self._position = 0
        self._order: Tensor | None = None

    @property
    def sample_shape(self) -> torch.Size:
        """One sample's shape."""
        return self._inputs.shape[1:]

    def draw(self) -> Batch:
        """Draw the next minibatch, of batchSize samples."""
        indices = self._next_indices()
        classes = None if self._classes is None else self._classes[indices]
        return Batch(self._inputs[indices], classes)

    def _next_indices(self) -> Tensor:
        count, size = len(self._inputs), self._batch_size
        device = self._inputs.device
        if self._sampling is Sampling.UNIFORM:
            return torch.randint(count, (size,), generator=self._stream, device=device)
        taken = torch.arange(self._position, self._position + size, device=device)
        if self._sampling is Sampling.SEQUENTIAL:
            self._position = (self._position + size) % count
            return taken % count
        return self._next_of_permutation()

    def _next_of_permutation(self) -> Tensor:
        parts, missing = [], self._batch_size
        while missing:
            if self._order is None or self._position == len(self._order):
                self._order = torch.randperm(
                    len(self._inputs), generator=self._stream, device=self._inputs.device
                )
                self._position = 0
            part = self._order[self._position : self._position + missing]
            self._position += len(part)
            missing -= len(part)
            parts.append(part)
        return torch.cat(parts)

    def state_dict(self) -> dict[str, Any]:
        """Give the position and the order in hand."""
        return {"position": self._position, "order": self._order}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._position = int(state["position"])
        order = state["order"]
        self._order = None if order is None else order.to(self._inputs.device)


def _tensors_of(dataset: Any) -> tuple[Tensor, Tensor | None]:
    """Give all inputs (N, ...) and, when the targets are classes, those as int64 (N)."""
    match dataset:
        case Dataset():
            return dataset.inputs, dataset.targets
        case TensorDataset(tensors=(inputs,)):
            return inputs, None
        case TensorDataset(tensors=(inputs, targets, *_)):
            return inputs, _classes_of(targets)
        case _:
            samples = [dataset[i] for i in range(len(dataset))]
            inputs = torch.stack([torch.as_tensor(sample[0]) for sample in samples])
            return inputs, _classes_of(torch.stack([torch.as_tensor(s[1]) for s in samples]))


def _classes_of(targets: Tensor) -> Tensor | None:
    """Give targets as classes; None when they are something else, such as numbers to predict."""
    is_class = targets.dim() == 1 and not targets.is_floating_point() and not targets.is_complex()
    return targets.long() if is_class else None
