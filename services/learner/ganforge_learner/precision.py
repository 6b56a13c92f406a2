"""What networks compute in: float32, or bfloat16 where weights and losses stay float32."""

from typing import Any

import torch
from torch import Tensor, nn

from ganforge.wire.strategies import Precision


class Computing:
    """Passes samples through networks in the precision that a job asks for.

    Args:
        precision: the job's; AUTO is bfloat16 where ``is_fast_at_bfloat16`` says so.
        device: where the networks are.
    """

    def __init__(self, precision: Precision, device: torch.device) -> None:
        is_auto = precision is Precision.AUTO
        self.is_bfloat16 = precision is Precision.BFLOAT16 or (
            is_auto and is_fast_at_bfloat16(device)
        )
        self._device_type = device.type

    def make_ready(self, network: nn.Module) -> None:
        """Let a network's Sigmoids compute in float32.

        In bfloat16 every probability above 0.998 is 1, where the loss has no slope left.
        """
        if self.is_bfloat16:
            for module in network.modules():
                if isinstance(module, nn.Sigmoid):
                    module.register_forward_pre_hook(_in_float32)

    def __call__(self, network: nn.Module, *inputs: Tensor) -> Tensor:
        """Pass samples through; what comes out is float32 whatever happens inside."""
        if not self.is_bfloat16:
            plain: Tensor = network(*inputs)
            return plain
        with torch.autocast(self._device_type, torch.bfloat16):
            low: Tensor = network(*inputs)
        return low.float()


def _in_float32(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(x.float() if isinstance(x, Tensor) else x for x in inputs)


def is_fast_at_bfloat16(device: torch.device) -> bool:
    """Tell whether a device multiplies bfloat16 by itself, rather than in float32's place."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False
