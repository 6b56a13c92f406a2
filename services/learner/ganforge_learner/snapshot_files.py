"""A snapshot's files: one of weights for each network, one of training state."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ganforge_learner import state, weights


def save_weights(
    folder: Path, iteration: int, networks: Mapping[str, torch.nn.Module]
) -> dict[str, Path]:
    """Write one safetensors file for each network; gives them by the network's name."""
    paths = {name: folder / f"{iteration}-{name}.safetensors" for name in networks}
    for name, network in networks.items():
        paths[name].write_bytes(weights.dump(network))
    return paths


def load_weights(paths: Mapping[str, Path], networks: Mapping[str, torch.nn.Module]) -> None:
    """Load the weights of each network that there is a file for.

    Raises:
        BadWeights: a file does not fit its network.
    """
    for name, network in networks.items():
        if name in paths:
            weights.load(paths[name], network, name)


def save_state(folder: Path, iteration: int, training_state: Mapping[str, Any]) -> Path:
    """Write the training state."""
    path = folder / f"{iteration}-state.safetensors"
    path.write_bytes(state.dump(training_state))
    return path


def load_state(path: Path) -> dict[str, Any]:
    """Read the training state.

    Raises:
        BadWeights: the file is no training state.
    """
    return state.load(path.read_bytes())
