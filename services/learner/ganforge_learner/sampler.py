"""Minibatches: drawn by place from a dataset."""

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from ganforge.errors import BadInput
from ganforge.wire.config import LearnConfig, Sampling
from ganforge_learner.dataset_files.ranges import parse_ranges
from ganforge_learner.datasets import Dataset
from ganforge_learner.prefetch import Prefetcher

AHEAD = 3
"""How many minibatches of a mapped dataset are read before they are asked for."""


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

    UNIFORM draws with replacement; SEQUENTIAL goes through the samples in order, again and
    again; PERMUTATION likewise, in an order drawn anew every time around; WEIGHTED draws each of
    ``samplingRanges`` with its probability in ``samplingWeights``, and all other samples with
    what is missing to 1; UNIFORMCLASS draws a class, then a sample of it. All draw from the
    samples of ``trainSet`` alone, when there is one.

    Args:
        dataset: ours, a ``TensorDataset``, or anything with ``__len__`` and ``__getitem__`` ->
            (input, target), which is then read once, whole.
        config: gives ``sampling`` with its keys, ``batchSize`` and ``trainSet``.
        stream: the random stream to draw from, on the device of ``like``.
        like: gives the device and the dtype of the minibatches.

    Raises:
        BadInput: the dataset is empty, or cannot be drawn from as the keys say.
    """

    def __init__(
        self, dataset: Any, config: LearnConfig, stream: torch.Generator, *, like: Tensor
    ) -> None:
        if len(dataset) == 0:
            raise BadInput("the dataset is empty")
        self._dataset = _as_dataset(dataset, like.dtype).to(like.device)
        self._device, self._dtype = like.device, like.dtype
        self._sampling = config.sampling
        self._batch_size = config.batch_size
        self._stream = stream
        self._chosen = _chosen(config, len(dataset), like.device)
        self._count = len(dataset) if self._chosen is None else len(self._chosen)
        self._groups = self._group(config)
        self._position = 0
        self._order: Tensor | None = None
        mapped = self._dataset.samples
        self._prefetcher = Prefetcher(mapped, like.device) if self._dataset.is_mapped else None
        # What is drawn but not delivered yet; the state holds it, since the stream is past it.
        self._ahead: deque[tuple[Tensor, Future[Tensor] | None]] = deque()

    @property
    def sample_shape(self) -> torch.Size:
        """One sample's shape."""
        return self._dataset.samples.shape[1:]

    @property
    def classes(self) -> int:
        """How many classes the dataset has, counted from 0; 0 when it has none."""
        targets = self._dataset.targets
        return 0 if targets is None or not len(targets) else int(targets.max()) + 1

    def draw(self) -> Batch:
        """Draw the next minibatch, of batchSize samples."""
        while len(self._ahead) < (AHEAD if self._prefetcher else 1):
            self._put(self._next_indices())
        indices, read = self._ahead.popleft()
        samples = self._dataset.samples[indices] if read is None else read.result()
        targets = self._dataset.targets
        inputs = self._dataset.scaled(samples, self._dtype)
        return Batch(inputs, None if targets is None else targets[indices])

    def _put(self, indices: Tensor) -> None:
        read = self._prefetcher.begin(indices) if self._prefetcher else None
        self._ahead.append((indices, read))

    def _next_indices(self) -> Tensor:
        places = self._next_places()
        return places if self._chosen is None else self._chosen[places]

    def _next_places(self) -> Tensor:
        """Draw places among the samples that are trained on."""
        if self._groups is not None:
            return self._groups.draw(self._batch_size, self._stream)
        count, size, device = self._count, self._batch_size, self._device
        if self._sampling is Sampling.UNIFORM:
            return torch.randint(count, (size,), generator=self._stream, device=device)
        if self._sampling is Sampling.SEQUENTIAL:
            taken = torch.arange(self._position, self._position + size, device=device)
            self._position = (self._position + size) % count
            return taken % count
        return self._next_of_permutation()

    def _next_of_permutation(self) -> Tensor:
        parts, missing = [], self._batch_size
        while missing:
            if self._order is None or self._position == len(self._order):
                self._order = torch.randperm(
                    self._count, generator=self._stream, device=self._device
                )
                self._position = 0
            part = self._order[self._position : self._position + missing]
            self._position += len(part)
            missing -= len(part)
            parts.append(part)
        return torch.cat(parts)

    def _group(self, config: LearnConfig) -> "_Groups | None":
        weighs = config.sampling_ranges is not None or config.sampling_weights
        if weighs and config.sampling is not Sampling.WEIGHTED:
            raise BadInput("samplingRanges and samplingWeights go with sampling=WEIGHTED")
        chosen = self._chosen
        if config.sampling is Sampling.WEIGHTED:
            if chosen is None:
                chosen = torch.arange(self._count, device=self._device)
            return _by_weight(config, chosen, size=len(self._dataset))
        if config.sampling is Sampling.UNIFORMCLASS:
            classes = self._dataset.targets
            if classes is None:
                raise BadInput(
                    "sampling=UNIFORMCLASS needs classes and this dataset has none: take UNIFORM"
                )
            return _by_class(classes if chosen is None else classes[chosen])
        return None

    def state_dict(self) -> dict[str, Any]:
        """Give the position, the order in hand, and what was drawn but not delivered."""
        return {
            "position": self._position,
            "order": self._order,
            "ahead": [indices for indices, _ in self._ahead],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._position = int(state["position"])
        order = state["order"]
        self._order = None if order is None else order.to(self._device)
        self._ahead.clear()
        for indices in state["ahead"]:
            self._put(indices.to(self._device))


class _Groups:
    """Groups of places, one drawn by its probability, then a place of it.

    Args:
        members: the places of each group, int64.
        probabilities: of each group, above 0; their sum is 1.
    """

    def __init__(self, members: list[Tensor], probabilities: list[float]) -> None:
        device = members[0].device
        self._members = torch.cat(members)
        self._counts = torch.tensor([len(group) for group in members], device=device)
        self._starts = self._counts.cumsum(0) - self._counts
        # Doubles: 2^24 steps, which float32 has, are too few for a million samples.
        self._ends = torch.tensor(probabilities, dtype=torch.float64, device=device).cumsum(0)

    def draw(self, size: int, stream: torch.Generator) -> Tensor:
        """Draw places; nothing waits for the device."""
        drawn = torch.rand(2, size, generator=stream, device=self._ends.device, dtype=torch.float64)
        group = torch.searchsorted(self._ends, drawn[0], right=True)
        group = group.clamp_(max=len(self._ends) - 1)  # the sum may be rounded to less than 1
        within = (drawn[1] * self._counts[group]).long()
        return self._members[self._starts[group] + within]


def _by_class(classes: Tensor) -> _Groups:
    """Group by class, each as likely as any other."""
    members = [(classes == number).nonzero().flatten() for number in torch.unique(classes)]
    return _Groups(members, [1.0 / len(members)] * len(members))


def _by_weight(config: LearnConfig, chosen: Tensor, *, size: int) -> _Groups:
    """Group by range, and put what is in none into one more group.

    Raises:
        BadInput: weights and ranges do not match, or the weights are no probabilities.
    """
    if config.sampling_ranges is None:
        raise BadInput("sampling=WEIGHTED needs samplingRanges and samplingWeights")
    ranges = parse_ranges(config.sampling_ranges, size=size, key="samplingRanges")
    weights = config.sampling_weights
    if len(weights) != len(ranges):
        raise BadInput(f"there are {len(ranges)} samplingRanges but {len(weights)} samplingWeights")
    rest = 1.0 - sum(weights)
    if min(weights) < 0 or rest < -1e-6:
        raise BadInput("samplingWeights are probabilities: from 0 on, and their sum at most 1")
    is_other = torch.ones_like(chosen, dtype=torch.bool)
    members, probabilities = [], []
    for told, weight in zip(ranges, weights, strict=True):
        is_inside = (chosen >= told.start) & (chosen < told.stop)
        is_other &= ~is_inside
        members.append(is_inside.nonzero().flatten())
        probabilities.append(weight)
        if weight and not len(members[-1]):
            raise BadInput(f"samplingRanges: {told.start}-{told.stop} has no sample of trainSet")
    if rest > 1e-6:
        members.append(is_other.nonzero().flatten())
        probabilities.append(rest)
        if not len(members[-1]):
            raise BadInput(
                f"samplingWeights sum up to {sum(weights):g} and no sample is left for the rest: "
                "make it 1"
            )
    drawn = [at for at, weight in enumerate(probabilities) if weight > 0]
    return _Groups([members[at] for at in drawn], [probabilities[at] for at in drawn])


def _chosen(config: LearnConfig, size: int, device: torch.device) -> Tensor | None:
    """Give the samples of ``trainSet``, int64; None for all."""
    if config.train_set is None:
        return None
    ranges = parse_ranges(config.train_set, size=size, key="trainSet")
    return torch.cat([torch.arange(told.start, told.stop, device=device) for told in ranges])


def _as_dataset(dataset: Any, dtype: torch.dtype) -> Dataset:
    """Give anybody's dataset as ours; its inputs are taken as they are."""
    match dataset:
        case Dataset():
            return dataset
        case TensorDataset(tensors=(inputs,)):
            return Dataset("", inputs.to(dtype))
        case TensorDataset(tensors=(inputs, targets, *_)):
            return Dataset("", inputs.to(dtype), _classes_of(targets))
        case _:
            samples = [dataset[i] for i in range(len(dataset))]
            inputs = torch.stack([torch.as_tensor(sample[0]) for sample in samples])
            targets = torch.stack([torch.as_tensor(sample[1]) for sample in samples])
            return Dataset("", inputs.to(dtype), _classes_of(targets))


def _classes_of(targets: Tensor) -> Tensor | None:
    """Give targets as classes; None when they are something else, such as numbers to predict."""
    is_class = targets.dim() == 1 and not targets.is_floating_point() and not targets.is_complex()
    return targets.long() if is_class else None
