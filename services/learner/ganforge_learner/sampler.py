"""Minibatches: drawn by index from a dataset that lies whole on the device."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from ganforge.errors import BadInput
from ganforge.wire.config import LearnConfig, Sampling
from ganforge_learner.datasets import Dataset


class Sampler:
    """Draws minibatches of inputs.

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
        self._inputs = _inputs_of(dataset).to(device=like.device, dtype=like.dtype)
        self._sampling = config.sampling
        self._batch_size = config.batch_size
        self._stream = stream
        self._position = 0
        self._order: Tensor | None = None

    @property
    def sample_shape(self) -> torch.Size:
        """One sample's shape."""
        return self._inputs.shape[1:]

    def draw(self) -> Tensor:
        """Draw the next minibatch, shape (batchSize, *sample_shape)."""
        return self._inputs[self._next_indices()]

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


def _inputs_of(dataset: Any) -> Tensor:
    match dataset:
        case Dataset():
            return dataset.inputs
        case TensorDataset():
            return dataset.tensors[0]
        case _:
            return torch.stack([torch.as_tensor(dataset[i][0]) for i in range(len(dataset))])
