"""Weights files: what is dumped is loaded, what does not fit is refused, whatever it is."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ganforge.errors import BadWeights
from ganforge.networks import BUILTIN, infer
from ganforge_learner import load_generator, weights
from ganforge_learner.networks import build_network, initialise


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Tanh())


@pytest.mark.parametrize("definition", BUILTIN, ids=lambda definition: definition.name)
def test_weights_come_back_as_they_were(tmp_path: Path, definition: object) -> None:
    told = next(each for each in BUILTIN if each is definition)
    built, again = build_network(told), build_network(told)
    initialise(built, told, torch.Generator().manual_seed(1))
    path = tmp_path / "weights.safetensors"
    path.write_bytes(weights.dump(built))
    weights.load(path, again, told.name)
    ours, theirs = built.state_dict(), again.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert set(safetensors.torch.load_file(path)) == set(infer(told).tensors)


def test_the_same_weights_are_the_same_bytes() -> None:
    built = network()
    assert weights.dump(built) == weights.dump(built)


def test_a_loaded_generator_makes_what_the_trained_one_made() -> None:
    definition = next(found for found in BUILTIN if found.name == "DCGANGenerator28")
    trained = build_network(definition)
    initialise(trained, definition, torch.Generator().manual_seed(2))
    latents = torch.randn(5, 64)
    trained.train()(latents)  # moves BatchNorm's averages
    loaded = load_generator(weights.dump(trained), definition)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert torch.equal(loaded(latents), trained.eval()(latents))


def header(told: object, data: bytes = b"") -> bytes:
    text = json.dumps(told).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def one(dtype: str, shape: list[int], size: int) -> bytes:
    return header(
        {"0.weight": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}, bytes(size)
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04 a pickle's zip",
        (2**63).to_bytes(8, "little") + b"{}",
        header({}),
        header([]),
        one("F32", [2, 3], 24),
        one("F9", [2, 3], 24),
        one("F8_E8M0", [2, 3], 6),
        one("F4", [2, 4], 4),
        one("C64", [2, 3], 48),
        one("F32", [2**40, 2**40], 24),
        one("F32", [2, 3], 20),
        weights.dump(nn.Sequential(nn.Linear(3, 2))),
        weights.dump(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))),
        weights.dump(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))),
    ],
    ids=range(15),
)
def test_what_does_not_fit_is_refused(data: bytes) -> None:
    own = network()
    with pytest.raises(BadWeights, match="Generator: the weights "):
        weights.load(data, own, "Generator")


@settings(deadline=None)
@given(flip=st.integers(0, 600), bits=st.integers(0, 255), cut=st.integers(0, 300))
def test_damage_is_refused_or_loaded_but_nothing_else(flip: int, bits: int, cut: int) -> None:
    data = bytearray(weights.dump(network()))
    data[flip % len(data)] ^= bits
    try:
        weights.load(bytes(data[: len(data) - cut] if cut % 2 else data), network(), "G")
    except BadWeights:
        return
