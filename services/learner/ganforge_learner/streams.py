"""Random streams: one for each purpose, all from the job's seed, all savable."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

PURPOSES = ("initialisation", "sampling", "latents", "layers", "grid")


def stream(seed: int, purpose: str, *, device: torch.device | str = "cpu") -> torch.Generator:
    """Make the stream of one purpose.

    The seeds are spread by numpy's SeedSequence, so that neighbouring job seeds, and purposes,
    give unrelated streams; ``torch.Generator`` on the CPU keeps only 32 bits of a seed.

    Args:
        seed: the job's seed, 0 or more.
        purpose: one of ``PURPOSES``.
        device: where the numbers are to be drawn.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose),))
    generator = torch.Generator(device=device)
    generator.manual_seed(int(sequence.generate_state(1, np.uint32)[0]))
    return generator


class Streams:
    """The streams a strategy draws from while it trains.

    The grid's latents are not among them: they are a pure function of the seed, and drawing them
    moves nothing.

    Args:
        seed: the job's seed.
        device: where the networks are.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self.sampling = stream(seed, "sampling", device=device)
        self.latents = stream(seed, "latents", device=device)

    def state_dict(self) -> dict[str, Any]:
        """Give the state of every stream, as uint8 tensors."""
        return {"sampling": self.sampling.get_state(), "latents": self.latents.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every stream to a state that ``state_dict`` gave."""
        self.sampling.set_state(state["sampling"].cpu())
        self.latents.set_state(state["latents"].cpu())
