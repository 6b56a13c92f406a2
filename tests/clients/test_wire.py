"""Bodies of requests take numbers for numbers, truths for truths, and nothing else."""

from typing import Any

import pytest
from pydantic import ValidationError

from ganforge.networks import NetworkDefinition
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.jobs import JobPatch, LearnJob
from ganforge.wire.learning import Completion, Heartbeat, ProgressPush, SnapshotNote
from ganforge.wire.quality import QualityReport
from ganforge.wire.weights import OpenEpoch, Promotion


@pytest.mark.parametrize("value", [True, False, "5"])
def test_what_only_reads_as_a_number_is_refused_by_name(value: Any) -> None:
    numbers = ((JobPatch, "maxIterations"), (LearnJob, "priority"), (OpenEpoch, "epoch"))
    for kind, field in numbers:
        with pytest.raises(ValidationError) as refused:
            kind.model_validate({field: value})
        assert refused.value.errors()[0]["loc"] == (field,)


def test_a_number_may_be_written_with_a_point_and_null_is_nothing() -> None:
    assert JobPatch.model_validate({"priority": 5.0}).priority == 5
    assert JobPatch.model_validate({"priority": None}).priority is None
    assert LearnJob.model_validate({"name": "5"}).name == "5"


@pytest.mark.parametrize("change", [{"inputShape": [True]}, {"valueRange": [0, False]}])
def test_items_of_lists_too_are_numbers(change: dict[str, Any]) -> None:
    good = {"name": "A", "size": 1, "inputShape": [28, 28]}
    assert DatasetInfo.model_validate(good)
    with pytest.raises(ValidationError):
        DatasetInfo.model_validate({**good, **change})


@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_what_only_reads_as_a_truth_is_refused_by_name(value: Any) -> None:
    truths = ((Heartbeat, "started"), (Completion, "permanent"), (QualityReport, "promote"))
    for kind, field in truths:
        with pytest.raises(ValidationError) as refused:
            kind.model_validate({field: value})
        assert (field,) in [error["loc"] for error in refused.value.errors()]


def test_a_version_to_promote_is_named_by_a_number() -> None:
    assert Promotion.model_validate({"from": {"tag": "run", "version": 3}}).source.version == 3
    with pytest.raises(ValidationError):
        Promotion.model_validate({"from": {"tag": "run", "version": "3"}})


@pytest.mark.parametrize("value", [True, "5"])
def test_numbers_within_lists_and_objects_are_numbers_too(value: Any) -> None:
    linear = {"type": "Linear", "out": 8}
    assert NetworkDefinition.model_validate({"name": "A", "input": [4], "modules": [linear]})
    push = {"seq": 0, "first": 0, "series": {"minibatchLoss": [1, 0.5, None]}}
    assert ProgressPush.model_validate(push).count == 3
    for kind, body in (
        (NetworkDefinition, {"name": "A", "input": [value], "modules": [linear]}),
        (NetworkDefinition, {"name": "A", "input": [4], "modules": [{**linear, "out": value}]}),
        (ProgressPush, {**push, "series": {"minibatchLoss": [value]}}),
        (SnapshotNote, {"iteration": 1, "versions": {"Generator": value}}),
    ):
        with pytest.raises(ValidationError):
            kind.model_validate(body)
