"""A snapshot's files: one of weights for each network, one of training state."""

from collections.abc import Mapping
from pathlib import Path

import torch

from ganforge_learner import state, weights
from ganforge_learner.strategy import LearningStrategy


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


def save_state(folder: Path, iteration: int, strategy: LearningStrategy) -> Path:
    """Write the training state and the number of iterations done."""
    path = folder / f"{iteration}-state.safetensors"
    path.write_bytes(state.dump({"iteration": iteration, "strategy": strategy.state_dict()}))
    return path


def load_state(path: Path, strategy: LearningStrategy) -> int:
    """Load the training state, and give the number of iterations done.

    Raises:
        BadWeights: the file is no training state.
    """
    loaded = state.load(path.read_bytes())
    strategy.load_state_dict(loaded["strategy"])
    return int(loaded["iteration"])
