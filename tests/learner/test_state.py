"""Training state comes back as it was, and hostile bytes are refused."""

import json
import math
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ganforge.errors import BadWeights
from ganforge_learner import state

tensors = st.builds(
    lambda dtype, shape: torch.arange(math.prod(shape)).reshape(shape).to(dtype),
    st.sampled_from(
        [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8]
    ),
    st.lists(st.integers(0, 3), max_size=3),
)
leaves = (
    tensors | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
states = st.dictionaries(st.text(), trees, max_size=4)


def is_same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict):
        return list(a) == list(b) and all(is_same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(is_same, a, b))
    return type(a) is type(b) and bool(a == b)


@given(states)
def test_a_state_comes_back_as_it_was(told: dict[str, Any]) -> None:
    assert is_same(told, state.load(state.dump(told)))


def test_names_that_look_like_places_keep_their_tensors_apart() -> None:
    told = {"a.b": torch.zeros(1), "a": {"b": torch.ones(1)}, "__metadata__": torch.ones(2)}
    assert is_same(told, state.load(state.dump(told)))


def test_numbers_that_are_none_survive() -> None:
    back = state.load(state.dump({"x": float("nan"), "y": [float("inf"), -float("inf")]}))
    assert math.isnan(back["x"])
    assert back["y"] == [float("inf"), -float("inf")]


def test_shared_and_strided_tensors_are_kept_as_they_look() -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    told = {"whole": whole, "again": whole, "turned": whole.T, "row": whole[1]}
    assert is_same(told, state.load(state.dump(told)))


def test_a_random_generator_goes_on_where_it_was() -> None:
    drawn = torch.Generator().manual_seed(1)
    torch.randn(7, generator=drawn)
    data = state.dump({"stream": drawn.get_state()})
    wanted = torch.randn(5, generator=drawn)
    again = torch.Generator()
    again.set_state(state.load(data)["stream"])
    assert torch.equal(torch.randn(5, generator=again), wanted)


def test_what_cannot_be_kept_is_refused_when_it_is_saved() -> None:
    with pytest.raises(TypeError, match="cannot hold a set"):
        state.dump({"x": {1, 2}})


@given(st.binary(max_size=200))
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(BadWeights, match="this is no training state"):
        state.load(data)


def with_tree(tree: Any) -> bytes:
    text = tree if isinstance(tree, str) else json.dumps(tree)
    data: bytes = safetensors.torch.save({"0": torch.zeros(1)}, metadata={"tree": text})
    return data


@pytest.mark.parametrize(
    "data",
    [
        with_tree(None),
        with_tree([]),
        with_tree(3),
        with_tree({}),
        with_tree({"map": []}),
        with_tree({"map": {"x": []}}),
        with_tree({"map": {"x": {"tensor": "1"}}}),
        with_tree({"map": {"x": {"tensor": []}}}),
        with_tree({"map": {"x": {"list": 3}}}),
        with_tree({"map": {"x": {"code": "import os"}}}),
        with_tree({"map": {}, "list": []}),
        with_tree({"list": []}),
        with_tree({"value": 1}),
        with_tree("{"),
        with_tree('{"map": {"x": ' + '{"list": [' * 50_000 + "]}" * 50_000 + "}}"),
        safetensors.torch.save({"0": torch.zeros(1)}),
        safetensors.torch.save({}),
    ],
    ids=range(17),
)
def test_a_hostile_tree_is_refused(data: bytes) -> None:
    with pytest.raises(BadWeights, match="this is no training state"):
        state.load(data)


@settings(deadline=None)
@given(cut=st.integers(0, 400), flip=st.integers(0, 400), bits=st.integers(0, 255))
def test_a_damaged_state_is_refused_or_read_but_nothing_else(
    cut: int, flip: int, bits: int
) -> None:
    data = bytearray(state.dump({"a": torch.arange(4.0), "b": [1, None, "x"], "c": {"d": 2.5}}))
    data[flip % len(data)] ^= bits
    try:
        back = state.load(bytes(data[: max(0, len(data) - cut)] if cut % 2 else data))
    except BadWeights:
        return
    assert isinstance(back, dict)
