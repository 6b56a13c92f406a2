"""A snapshot's files: one of weights for each network, one of training state."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ganforge.networks import NetworkDefinition
from ganforge_learner import state, weights
from ganforge_learner.strategy import LearningStrategy


def save_weights(
    folder: Path,
    iteration: int,
    networks: Sequence[torch.nn.Module],
    definitions: list[NetworkDefinition],
) -> list[Path]:
    """Write one safetensors file for each network."""
    paths = []
    for network, definition in zip(networks, definitions, strict=True):
        path = folder / f"{iteration}-{definition.name}.safetensors"
        path.write_bytes(weights.dump(network))
        paths.append(path)
    return paths


def load_weights(
    paths: list[Path], networks: Sequence[torch.nn.Module], definitions: list[NetworkDefinition]
) -> None:
    """Load each network's weights.

    Raises:
        BadWeights: a file does not fit its network.
    """
    for path, network, definition in zip(paths, networks, definitions, strict=True):
        weights.load(path, network, definition.name)


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
