"""The labels a learner presents itself with."""

import platform

import pytest
import torch

from ganforge.errors import BadInput
from ganforge_learner import labels
from ganforge_learner.trainer import labels_of


def test_a_machine_tells_its_processor_its_system_and_its_address() -> None:
    told = labels.of_machine("http://127.0.0.1:8080")
    assert told == {
        "arch": platform.machine().lower(),
        "os": platform.system().lower(),
        "ip": "127.0.0.1",
    }


def test_a_machine_without_a_way_to_the_coordinator_tells_no_address() -> None:
    assert "ip" not in labels.of_machine(f"http://{'a' * 64}.test:1")


def test_a_processor_has_no_gpu() -> None:
    assert labels_of(torch.device("cpu")) == {"gpu.count": "0"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_tells_its_name_its_memory_and_its_cuda() -> None:
    told = labels_of(torch.device("cuda:0"))
    assert told["gpu.count"] == "1"
    assert told["gpu.name"] == torch.cuda.get_device_name(0)
    assert int(told["gpu.memory_mib"]) > 0
    assert told["cuda"] == torch.version.cuda


def test_labels_are_read_as_pairs_with_commas() -> None:
    assert labels.parse("") == {}
    assert labels.parse("pool=blue, zone=2,note=a=b") == {
        "pool": "blue",
        "zone": "2",
        "note": "a=b",
    }


@pytest.mark.parametrize("text", ["pool", "Pool=blue", "=blue", "pool=blue,zone"])
def test_labels_that_cannot_be_read_are_refused_in_words(text: str) -> None:
    with pytest.raises(BadInput, match="label"):
        labels.parse(text)
