"""Networks of plug-ins: offered like the built-in ones, and a bad plug-in harms nobody."""

import logging
import sys
from pathlib import Path

import pytest

from ganforge_repository import network_plugins

DEFINITION = """
from ganforge.networks import NetworkDefinition
Odd = NetworkDefinition.model_validate(
    {"name": "Odd", "input": [4], "modules": [{"type": "Linear", "out": 3}]}
)
"""
MISFIT = DEFINITION.replace("[4]", "[1, 4, 4]")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the path with a distribution whose entry point is ``odd_networks:Odd``."""
    info = tmp_path / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ganforge.networks]\nodd = odd_networks:Odd\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_networks", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "source",
    [
        DEFINITION,
        f"{DEFINITION}Odd = [Odd]",
        f"{DEFINITION}one = Odd\ndef Odd():\n    yield one",
    ],
    ids=["one", "several", "called"],
)
def test_an_entry_point_gives_definitions(install: Path, source: str) -> None:
    (install / "odd_networks.py").write_text(source)
    assert [definition.name for definition in network_plugins.definitions()] == ["Odd"]


@pytest.mark.parametrize(
    "source",
    ["", "raise RuntimeError", "Odd = 3", "Odd = ['x']", MISFIT],
    ids=["nothing", "raises", "number", "text", "misfit"],
)
def test_a_plug_in_that_cannot_be_used_is_left_out_and_logged(
    install: Path, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    (install / "odd_networks.py").write_text(source)
    with caplog.at_level(logging.ERROR):
        assert network_plugins.definitions() == []
    assert "a plug-in cannot be used" in caplog.text
