"""Prefetching: samples read from a mapped file while the device still computes."""

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor


class Prefetcher:
    """Reads samples by their places, in a thread of its own.

    Args:
        samples: all of them, mapped from a file.
        device: where they are wanted.
    """

    def __init__(self, samples: Tensor, device: torch.device) -> None:
        self._samples = samples
        self._device = device
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")

    def begin(self, indices: Tensor) -> "Future[Tensor]":
        """Begin to read; the places may lie on the device, where nobody waits for them."""
        return self._pool.submit(self._read, indices)

    def _read(self, indices: Tensor) -> Tensor:
        read = self._samples[indices.cpu()]
        if self._device.type == "cuda":
            return read.pin_memory().to(self._device, non_blocking=True)
        return read.to(self._device)
