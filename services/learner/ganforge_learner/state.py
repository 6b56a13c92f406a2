"""Training state as safetensors: tensors, and one JSON text for all that is none; no pickle."""

import json
from collections.abc import Mapping
from typing import Any

import safetensors
import safetensors.torch
import torch

from ganforge.errors import BadWeights

TREE = "tree"

_BROKEN = (
    safetensors.SafetensorError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
)


def dump(state: Mapping[str, Any]) -> bytes:
    """Give a nested state as safetensors bytes.

    Args:
        state: mappings with string keys, lists and tuples of tensors, numbers, strings, booleans
            and None, nested as deep as need be. Tuples come back as lists.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = _take_apart(state, tensors)
    # A file without tensors is refused everywhere, so there is always one.
    tensors = tensors or {"empty": torch.zeros(1)}
    data: bytes = safetensors.torch.save(tensors, metadata={TREE: json.dumps(tree)})
    return data


def load(data: bytes) -> dict[str, Any]:
    """Give the state that ``dump`` was given; tensors come back on the CPU.

    Raises:
        BadWeights: these are no such bytes.
    """
    try:
        tensors = safetensors.torch.load(data)
        size = int.from_bytes(data[:8], "little")
        tree = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][TREE])
        state = _put_together(tree, tensors)
    except _BROKEN as error:
        raise BadWeights(f"this is no training state: {error}") from error
    if not isinstance(state, dict):
        raise BadWeights("this is no training state: it holds no names")
    return state


def _take_apart(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Give ``value`` as JSON; a tensor moves to ``tensors`` and leaves its name behind."""
    match value:
        case torch.Tensor():
            # Not named by its place: names in a state may be any, and two places look alike.
            name = str(len(tensors))
            tensors[name] = value.detach().cpu().contiguous().clone()
            return {"tensor": name}
        case Mapping():
            return {"map": {key: _take_apart(item, tensors) for key, item in value.items()}}
        case list() | tuple():
            return {"list": [_take_apart(item, tensors) for item in value]}
        case None | bool() | int() | float() | str():
            return {"value": value}
        case _:
            raise TypeError(f"a training state cannot hold a {type(value).__name__}")


def _put_together(node: dict[str, Any], tensors: Mapping[str, torch.Tensor]) -> Any:
    [(kind, content)] = node.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "map":
            return {key: _put_together(item, tensors) for key, item in content.items()}
        case "list":
            return [_put_together(item, tensors) for item in content]
        case "value":
            return content
    raise ValueError(f"unknown kind {kind!r}")
