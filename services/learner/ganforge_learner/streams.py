"""Random streams: one for each purpose, all from the job's seed, all savable."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

PURPOSES = (
    "initialisation",
    "sampling",
    "latents",
    "layers",
    "grid",
    "augmentation",
    "interpolation",
    "evaluation",
)
"""Each names a stream by its place, so that new ones come last."""


def stream(seed: int, purpose: str, *, device: torch.device | str = "cpu") -> torch.Generator:
    """Make the stream of one purpose.

    The seeds are spread by numpy's SeedSequence, so that neighbouring job seeds, and purposes,
    give unrelated streams; ``torch.Generator`` on the CPU keeps only 32 bits of a seed.

    Args:
        seed: the job's seed, 0 or more.
        purpose: one of ``PURPOSES``.
        device: where the numbers are to be drawn.
    """
    generator = torch.Generator(device=device)
    generator.manual_seed(_seed(seed, purpose))
    return generator


def seed_of_retry(seed: int, retries: int) -> int:
    """Give the seed whose streams a job draws from after it went back ``retries`` times.

    A function of both alone, so that a job that went back can be repeated exactly.
    """
    if not retries:
        return seed
    return int(np.random.SeedSequence([seed, retries]).generate_state(1, np.uint32)[0])


def _seed(seed: int, purpose: str) -> int:
    sequence = np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),))
    return int(sequence.generate_state(1, np.uint32)[0])


class Streams:
    """The streams a strategy draws from while it trains.

    Modules such as Dropout draw from torch's own global stream, so that one is seeded and saved
    here as well. The grid's latents are not among the streams: they are a pure function of the
    seed, and drawing them moves nothing.

    Args:
        seed: the job's seed.
        device: where the networks are.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.sampling = stream(seed, "sampling", device=device)
        self.latents = stream(seed, "latents", device=device)
        self.augmentation = stream(seed, "augmentation", device=device)
        self.interpolation = stream(seed, "interpolation", device=device)
        torch.manual_seed(_seed(seed, "layers"))
        self._layers = _global_stream(torch.device(device))

    def restart(self, seed: int) -> None:
        """Let every stream begin anew, from another seed."""
        for name, stream in self._all().items():
            stream.manual_seed(_seed(seed, name))

    def state_dict(self) -> dict[str, Any]:
        """Give the state of every stream, as uint8 tensors."""
        return {name: stream.get_state() for name, stream in self._all().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every stream to a state that ``state_dict`` gave."""
        for name, stream in self._all().items():
            stream.set_state(state[name].cpu())

    def _all(self) -> dict[str, torch.Generator]:
        return {
            "sampling": self.sampling,
            "latents": self.latents,
            "augmentation": self.augmentation,
            "interpolation": self.interpolation,
            "layers": self._layers,
        }


def _global_stream(device: torch.device) -> torch.Generator:
    """Give the stream that torch's own modules draw from on a device."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        index = torch.cuda.current_device() if device.index is None else device.index
        return torch.cuda.default_generators[index]
    return torch.default_generator
