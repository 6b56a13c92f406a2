"""The learning strategy: what a training method promises, and what it may assume."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from pydantic import ValidationError

from ganforge.errors import BadInput
from ganforge.wire.config import LearnConfig
from ganforge.wire.learning import StrategyInfo
from ganforge_learner.streams import Streams, stream

Number = float | torch.Tensor
"""A number, or a tensor that holds one and may stay on its device until somebody reads it."""


@dataclass(frozen=True)
class LearnProgress:
    """What one iteration reports.

    Attributes:
        iteration: counted from 0.
        minibatch_loss: the loss the method is about; the generator's, for a GAN.
        extra: further losses by name; the same names in every iteration.
    """

    iteration: int
    minibatch_loss: Number
    extra: Mapping[str, Number] = field(default_factory=dict)


class LearningStrategy(ABC):
    """A training method: ``setup`` once, then ``process_iteration`` again and again.

    A strategy owns the networks' parameters while it trains. For an exact resume it draws random
    numbers only from streams that its ``state_dict`` holds, and keeps everything else that
    outlives an iteration in there too.
    """

    Config: ClassVar[type[LearnConfig]] = LearnConfig

    @abstractmethod
    def setup(self, config: Mapping[str, Any], dataset: Any, *networks: torch.nn.Module) -> None:
        """Get ready to train.

        Args:
            config: the job's keys, in camelCase; see ``Config``.
            dataset: has ``__len__`` and ``__getitem__`` -> (input, target) tensors.
            networks: in the job's order, on the device to compute on, with their first weights.

        Raises:
            BadInput: the keys make no sense.
            NetworkMisfit: the networks do not fit each other, the keys or the dataset.
        """

    @abstractmethod
    def process_iteration(self, i: int) -> LearnProgress:
        """Train one iteration.

        Args:
            i: the iteration, counted from 0; goes on from a loaded state.

        Returns:
            Losses; tensors on the device are welcome, since reading them waits for it.
        """

    @property
    @abstractmethod
    def generator(self) -> torch.nn.Module:
        """The network that makes samples."""

    @abstractmethod
    def grid_latents(self, count: int, seed: int) -> torch.Tensor:
        """Give the latents of the sample grid: the same for the same seed, drawn from no stream."""

    @property
    def averages(self) -> Mapping[int, torch.nn.Module]:
        """The moving averages of networks, by the network's place in the job's order, from 0.

        They are kept as networks of their own: whoever stores the weights stores theirs too, and
        loads them back, in place, after ``setup`` and before ``load_state_dict``.
        """
        return {}

    @property
    def grid_classes(self) -> int:
        """How many classes the sample grid cycles through; 0 when they are not told apart."""
        return 0

    @torch.no_grad()
    def draw_samples(
        self, latents: torch.Tensor, network: torch.nn.Module | None = None
    ) -> torch.Tensor:
        """Make samples from latents, as in use rather than in training; changes nothing.

        Args:
            latents: as ``grid_latents`` gives them.
            network: what makes them: the generator when not given, or one of ``averages``.
        """
        network = self.generator if network is None else network
        with in_use(network):
            samples: torch.Tensor = network(latents)
        return samples

    def state_dict(self) -> dict[str, Any]:
        """Give what an exact resume needs beside the weights: nothing, by default.

        May hold mappings, lists, tensors, numbers, strings, booleans and None.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave; called after ``setup``."""
        if state:
            raise BadInput(f"{type(self).__name__} keeps no state but was given {sorted(state)}")

    def restart_streams(self, seed: int) -> None:
        """Draw from other random streams from now on; called after ``load_state_dict``.

        A job that goes back after a loss that was not finite would else meet its end again. By
        default every ``Streams`` that the strategy holds begins anew.
        """
        for held in vars(self).values():
            if isinstance(held, Streams):
                held.restart(seed)

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> Any:
        """Read the job's keys into ``Config``.

        Raises:
            BadInput: a key is unknown or a value is not what it takes.
        """
        try:
            return cls.Config.model_validate(dict(config))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise BadInput(f"{key}: {first['msg']}") from error

    @classmethod
    def info(cls, name: str) -> StrategyInfo:
        """Announce the strategy under ``name``."""
        summary = (cls.__doc__ or name).strip().splitlines()[0]
        return StrategyInfo(
            name=name, summary=summary, config_schema=cls.Config.model_json_schema()
        )


@contextmanager
def in_use(network: torch.nn.Module) -> Iterator[None]:
    """Put a network to use rather than to training for a while; each module is put back."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def normal_grid(count: int, size: int, seed: int, like: torch.Tensor) -> torch.Tensor:
    """Draw a grid's latents from N(0, 1).

    Args:
        count: how many.
        size: how many numbers each has.
        seed: the job's seed.
        like: gives the device and the dtype.

    Returns:
        Shape (count, size); the same on every device, since they are drawn on the CPU.
    """
    drawn = torch.randn(count, size, generator=stream(seed, "grid"))
    return drawn.to(device=like.device, dtype=like.dtype)
