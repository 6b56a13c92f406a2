"""Weights files: a module's state dict as safetensors."""

import os
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from ganforge.errors import BadWeights


def dump(network: torch.nn.Module) -> bytes:
    """Give a network's weights as safetensors bytes, under the names of its ``state_dict``."""
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    data: bytes = safetensors.torch.save(tensors)
    return data


def load(file: str | os.PathLike[str] | bytes, network: torch.nn.Module, name: str) -> None:
    """Load weights into ``network``, wherever it is.

    Args:
        file: a safetensors file, or its bytes.
        network: given the weights.
        name: the network's name, for the errors' words.

    Raises:
        BadWeights: the file is broken or has other tensors than the network.
    """
    data = file if isinstance(file, bytes) else Path(file).read_bytes()
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, KeyError) as error:  # KeyError: no dtype of torch's
        raise BadWeights(f"{name}: the weights cannot be read: {error}") from error
    wanted = {key: _kind(tensor) for key, tensor in network.state_dict().items()}
    given = {key: _kind(tensor) for key, tensor in tensors.items()}
    if wanted != given:
        differing = [
            f"{key} is {given.get(key, 'missing')} but must be {wanted.get(key, 'absent')}"
            for key in sorted(wanted.keys() | given.keys())
            if wanted.get(key) != given.get(key)
        ]
        raise BadWeights(f"{name}: the weights do not fit: {'; '.join(differing)}")
    network.load_state_dict(tensors)


def _kind(tensor: torch.Tensor) -> str:
    shape = "x".join(map(str, tensor.shape)) or "one number"
    return f"{shape} of {str(tensor.dtype).removeprefix('torch.')}"
