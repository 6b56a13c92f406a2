"""Minibatches come as drawn, each sample with its class, the same after a resume."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import TensorDataset

from ganforge.errors import BadInput
from ganforge.wire.config import LearnConfig
from ganforge_learner import state
from ganforge_learner.dataset_files.ranges import parse_ranges
from ganforge_learner.datasets import Dataset, load_dataset
from ganforge_learner.sampler import Sampler
from tests.learner.idx_files import put_dataset

INPUTS = torch.arange(10.0).reshape(10, 1, 1, 1)
CLASSES = torch.arange(10) % 3
PLAIN = TensorDataset(INPUTS, CLASSES)
SAMPLINGS: list[dict[str, Any]] = [
    {"sampling": "UNIFORM"},
    {"sampling": "SEQUENTIAL"},
    {"sampling": "PERMUTATION"},
    {"sampling": "UNIFORMCLASS"},
    {"sampling": "WEIGHTED", "samplingRanges": "0-3,5-7", "samplingWeights": [0.5, 0.2]},
]


class Pairs:
    """A dataset of somebody else's."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return INPUTS[index], int(CLASSES[index])


def sampler(dataset: Any, *, like: Tensor | None = None, **keys: Any) -> Sampler:
    config = LearnConfig.model_validate({"batchSize": 64, **keys})
    stream = torch.Generator().manual_seed(5)
    like = torch.zeros(1, dtype=torch.float64) if like is None else like
    return Sampler(dataset, config, stream, like=like)


def drawn(dataset: Any, batches: int, **keys: Any) -> list[int]:
    """Draw the samples of ``PLAIN``, each of which is its own number."""
    source = sampler(dataset, **keys)
    return [int(x) for _ in range(batches) for x in source.draw().inputs.flatten()]


@pytest.mark.parametrize("dataset", [PLAIN, Pairs()])
@pytest.mark.parametrize("keys", SAMPLINGS, ids=lambda keys: keys["sampling"])
def test_every_sample_comes_with_its_class(dataset: Any, keys: dict[str, Any]) -> None:
    batch = sampler(dataset, **keys).draw()
    assert batch.inputs.shape == (64, 1, 1, 1)
    assert batch.inputs.dtype is torch.float64
    assert batch.classes is not None
    assert batch.classes.dtype is torch.int64
    assert torch.equal(batch.classes, batch.inputs.flatten().long() % 3)


@pytest.mark.parametrize(
    "dataset",
    [
        TensorDataset(INPUTS),
        TensorDataset(INPUTS, torch.rand(10)),
        TensorDataset(INPUTS, INPUTS),
    ],
)
def test_targets_that_are_no_classes_are_left_out(dataset: TensorDataset) -> None:
    assert sampler(dataset).draw().classes is None


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(BadInput, match="the dataset is empty"):
        sampler(TensorDataset(torch.zeros(0, 1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("highest", [16, 255])
def test_bytes_are_scaled_exactly_as_the_dtype_rounds_it(dtype: torch.dtype, highest: int) -> None:
    levels = torch.arange(highest + 1, dtype=torch.uint8).reshape(-1, 1, 1, 1)
    dataset = Dataset("levels", levels, highest=highest)
    source = sampler(
        dataset, like=torch.zeros(1, dtype=dtype), sampling="SEQUENTIAL", batchSize=highest + 1
    )
    got = source.draw().inputs.flatten()
    assert got.dtype is dtype
    wide = torch.float64 if dtype is torch.float64 else torch.float32
    wanted = (levels.flatten().to(wide) * (2 / highest) - 1).to(dtype)
    assert torch.equal(got, wanted)
    assert (float(got[0]), float(got[-1])) == (-1.0, 1.0)
    assert torch.equal(dataset[highest][0].flatten(), dataset.inputs[highest].flatten())
    assert int(dataset[0][1]) == -1


def test_sequential_goes_round_and_round() -> None:
    wanted = [i % 10 for i in range(21)]
    assert drawn(PLAIN, 3, sampling="SEQUENTIAL", batchSize=7) == wanted


def test_a_permutation_has_every_sample_once_around() -> None:
    got = drawn(PLAIN, 10, sampling="PERMUTATION", batchSize=7)
    rounds = [got[at : at + 10] for at in range(0, 70, 10)]
    assert all(sorted(each) == list(range(10)) for each in rounds)
    assert len({tuple(each) for each in rounds}) == 7


@pytest.mark.parametrize("sampling", ["UNIFORM", "SEQUENTIAL", "PERMUTATION", "UNIFORMCLASS"])
def test_a_train_set_is_all_that_is_drawn_from(sampling: str) -> None:
    got = drawn(PLAIN, 4, sampling=sampling, trainSet="8-10,1-4")
    assert set(got) == {1, 2, 3, 8, 9}


def shares(got: list[int]) -> list[float]:
    return [got.count(number) / len(got) for number in range(10)]


# 64,000 draws: a share's standard deviation is at most 0.002, a fifth of what is allowed.
DRAWS = 1000


def test_a_class_is_drawn_before_its_sample() -> None:
    lopsided = TensorDataset(INPUTS, torch.tensor([4] * 8 + [7, 9]))
    wanted = [1 / 24] * 8 + [1 / 3] * 2
    assert shares(drawn(lopsided, DRAWS, sampling="UNIFORMCLASS")) == pytest.approx(
        wanted, abs=0.01
    )


def test_ranges_are_drawn_by_their_weights_and_the_rest_by_what_is_left() -> None:
    got = drawn(PLAIN, DRAWS, **SAMPLINGS[4])
    wanted = [0.5 / 3] * 3 + [0.3 / 5] * 2 + [0.1] * 2 + [0.3 / 5] * 3
    assert shares(got) == pytest.approx(wanted, abs=0.01)


def test_weights_that_sum_up_to_one_leave_the_rest_out() -> None:
    keys = {"samplingRanges": "4-6,0-1,8-9", "samplingWeights": [0.7, 0.3, 0.0]}
    got = drawn(PLAIN, DRAWS, sampling="WEIGHTED", **keys)
    wanted = [0.3, 0, 0, 0, 0.35, 0.35, 0, 0, 0, 0]
    assert shares(got) == pytest.approx(wanted, abs=0.01)


def test_weights_go_with_a_train_set() -> None:
    keys = {"samplingRanges": "0-5", "samplingWeights": [0.9], "trainSet": "3-6"}
    got = drawn(PLAIN, DRAWS, sampling="WEIGHTED", **keys)
    wanted = [0, 0, 0, 0.45, 0.45, 0.1, 0, 0, 0, 0]
    assert shares(got) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"trainSet": "0-11"}, "trainSet: 0-11 goes past the last of 10 samples"),
        ({"trainSet": "3-3"}, "trainSet: 3-3 is empty: its end is left out"),
        ({"trainSet": "5-3"}, "trainSet: 5-3 is empty"),
        ({"trainSet": "4-9,0-5"}, "trainSet: 0-5 and 4-9 overlap"),
        ({"sampling": "WEIGHTED"}, "needs samplingRanges and samplingWeights"),
        ({"samplingRanges": "0-5"}, "go with sampling=WEIGHTED"),
        (
            {"sampling": "WEIGHTED", "samplingRanges": "0-5"},
            "there are 1 samplingRanges but 0 samplingWeights",
        ),
        (
            {"sampling": "WEIGHTED", "samplingRanges": "0-5,5-6", "samplingWeights": [0.9, 0.2]},
            "samplingWeights are probabilities",
        ),
        (
            {"sampling": "WEIGHTED", "samplingRanges": "0-5", "samplingWeights": [-0.1]},
            "samplingWeights are probabilities",
        ),
        (
            {"sampling": "WEIGHTED", "samplingRanges": "0-10", "samplingWeights": [0.5]},
            "no sample is left for the rest",
        ),
        (
            {
                "sampling": "WEIGHTED",
                "samplingRanges": "0-5,5-10",
                "samplingWeights": [0.5, 0.5],
                "trainSet": "0-5",
            },
            "5-10 has no sample of trainSet",
        ),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_keys_that_make_no_sense_are_refused_in_words(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as caught:
        sampler(PLAIN, **keys)
    assert words in caught.value.detail


def test_classes_are_needed_to_draw_by_class() -> None:
    with pytest.raises(BadInput, match="this dataset has none: take UNIFORM"):
        sampler(TensorDataset(INPUTS), sampling="UNIFORMCLASS")


@given(st.lists(st.integers(0, 200), min_size=2, max_size=12, unique=True), st.randoms())
def test_ranges_that_rise_are_read_in_any_order(edges: list[int], random: Any) -> None:
    edges = sorted(edges)[: len(edges) // 2 * 2]
    wanted = [range(start, stop) for start, stop in list(pairwise(edges))[::2]]
    random.shuffle(wanted)
    text = ",".join(f"{told.start}-{told.stop}" for told in wanted)
    assert list(parse_ranges(text, size=200, key="trainSet")) == wanted


@given(st.text(alphabet="0123456789-, x", max_size=12), st.integers(1, 50))
def test_any_text_is_refused_or_gives_ranges_within_the_samples(text: str, size: int) -> None:
    try:
        ranges = parse_ranges(text, size=size, key="trainSet")
    except BadInput:
        return
    places = [place for told in ranges for place in told]
    assert len(set(places)) == len(places) > 0
    assert max(places) < size


@pytest.mark.parametrize("keys", SAMPLINGS, ids=lambda keys: keys["sampling"])
def test_a_mapped_dataset_gives_the_same_batches_whenever_it_is_resumed(
    tmp_path: Path, keys: dict[str, Any]
) -> None:
    put_dataset(tmp_path, "Fans", count=10)
    resident = load_dataset("Fans", tmp_path)
    mapped = load_dataset("Fans", tmp_path, most_bytes=0)
    assert (resident.is_mapped, mapped.is_mapped) == (False, True)
    keys = {**keys, "batchSize": 7, "trainSet": "0-9"}
    whole = sampler(resident, **keys)
    wanted = [whole.draw() for _ in range(12)]
    first = sampler(mapped, **keys)
    got = [first.draw() for _ in range(5)]
    # The state of sampler and stream, as a snapshot holds them, goes on in either form.
    saved = state.dump({"sampler": first.state_dict(), "stream": first._stream.get_state()})
    for second in (sampler(resident, **keys), sampler(mapped, **keys)):
        loaded = state.load(saved)
        second._stream.set_state(loaded["stream"])
        second.load_state_dict(loaded["sampler"])
        ends = [*got, *(second.draw() for _ in range(7))]
        for one, other in zip(wanted, ends, strict=True):
            assert torch.equal(one.inputs, other.inputs)
            assert one.classes is not None
            assert other.classes is not None
            assert torch.equal(one.classes, other.classes)
