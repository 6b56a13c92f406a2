"""A descriptor says what it means and nothing else, and stays within the data folder."""

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganforge.errors import BadInput, UnknownName
from ganforge_learner.dataset_files import find_datasets
from ganforge_learner.dataset_files.descriptor import parse_descriptor
from ganforge_learner.datasets import load_dataset
from tests.learner.dataset_files.pictures import colours, put_picture

SHA = "0" * 64


def refused(told: object) -> str:
    text = told if isinstance(told, str) else json.dumps(told)
    with pytest.raises(BadInput) as caught:
        parse_descriptor(text, name="Mine", file="Mine.json")
    return caught.value.detail


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../secrets", "a/../../b", "..", "a\\..\\..\\b", "a/\0", "", "a/.."],
)
@pytest.mark.parametrize("kind", ["images", "npz", "parquet"])
def test_a_path_that_leads_out_is_refused(kind: str, path: str) -> None:
    assert "Mine.json" in refused({"type": kind, "path": path})


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("", "Mine.json"),
        ("[]", "Mine.json"),
        ("{", "Mine.json"),
        ('{"type": "images", "size": 8} trailing', "Mine.json"),
        ({}, "Unable to extract tag using discriminator 'type'"),
        ({"type": "pickle"}, "does not match any of the expected tags"),
        ({"type": "images", "sizes": 8}, "sizes"),
        ({"type": "images", "size": 0}, "size"),
        ({"type": "images", "size": 100_000}, "size"),
        ({"type": "images", "channels": 2}, "channels"),
        ({"type": "images", "name": "Yours"}, "Mine.json calls itself 'Yours'"),
        ({"type": "huggingface", "repo": "../x"}, "repo"),
        ({"type": "huggingface", "repo": "a/b", "split": "../x"}, "split"),
        ({"type": "download", "files": []}, "files"),
        ({"type": "download", "files": [{"url": "http://h/f"}]}, "sha256"),
        ({"type": "download", "files": [{"url": "file:///etc/f", "sha256": SHA}]}, "url"),
        ({"type": "download", "files": [{"url": "http://h/f", "sha256": "0"}]}, "sha256"),
        ({"type": "download", "files": [{"url": "http://h/..", "sha256": SHA}]}, "pattern"),
        ({"type": "download", "files": [{"url": "http://h/.x", "sha256": SHA}]}, "pattern"),
        (
            {"type": "download", "files": [{"url": "http://h/f", "sha256": SHA, "name": "../f"}]},
            "name",
        ),
        ({"type": "download", "files": [{"url": "http://h/f", "sha256": SHA}] * 2}, "same name"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_what_is_no_descriptor_is_refused_by_its_key(told: object, words: str) -> None:
    detail = refused(told)
    assert detail.startswith("Mine.json")
    assert words in detail


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.sampled_from(["images", "npz", "parquet", "huggingface", "download", "adapter"]),
    st.sampled_from(["path", "size", "of", "range", "labels", "files", "repo", "valueRange"]),
)
def test_any_value_of_any_key_is_refused_or_taken(value: Any, kind: str, key: str) -> None:
    with suppress(BadInput):
        told = {"type": kind, "path": "a", "of": "A", "repo": "a", key: value}
        parse_descriptor(json.dumps(told), name="Mine", file="Mine.json")


def test_a_descriptor_may_point_to_any_folder_of_the_data_folder(tmp_path: Path) -> None:
    put_picture(tmp_path / "datasets" / "raw" / "deep" / "1.png", colours(1)[0])
    told = {"type": "images", "path": "raw/deep", "size": 4, "name": "Mine"}
    (tmp_path / "datasets" / "Mine.json").write_text(json.dumps(told))
    assert find_datasets(tmp_path)["Mine"].input_shape == (3, 4, 4)
    assert load_dataset("Mine", tmp_path).samples.shape == (1, 3, 4, 4)


@pytest.mark.parametrize("kind", ["images", "npz", "parquet"])
def test_a_descriptor_that_points_nowhere_is_left_out(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "datasets").mkdir()
    told = {"type": kind, "path": "gone"}
    (tmp_path / "datasets" / "Mine.json").write_text(json.dumps(told))
    with caplog.at_level(logging.WARNING):
        assert set(find_datasets(tmp_path)) == {"digits"}
        find_datasets(tmp_path)
    assert caplog.text.count("Mine's descriptor points to gone, which is not there") == 1
    with pytest.raises(BadInput, match="points to gone"):
        load_dataset("Mine", tmp_path)


def test_a_descriptor_of_a_megabyte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "Mine.json").write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(BadInput, match=r"Mine\.json is too large"):
        load_dataset("Mine", tmp_path)


def test_the_folder_of_conversions_is_no_dataset(tmp_path: Path) -> None:
    put_picture(tmp_path / "datasets" / "Pets" / "1.png", colours(1)[0])
    load_dataset("Pets", tmp_path)
    assert (tmp_path / "datasets" / ".cache").is_dir()
    assert set(find_datasets(tmp_path)) == {"digits", "Pets"}
    with pytest.raises(UnknownName):
        load_dataset(".cache", tmp_path)
