"""Strategies are found by name, plug-ins by entry point, and a bad plug-in harms nobody."""

import logging
from pathlib import Path

import pytest

from ganforge.errors import UnknownName
from ganforge.wire.strategies import BUILT_IN
from ganforge_learner import LearningStrategy, registry
from ganforge_learner.strategies import GANLearningStrategy

PLUGIN = Path(__file__).parents[1] / "support" / "plugin"


def install(folder: Path, entry_points: str, source: str = "") -> None:
    """Put a distribution into a folder of the path."""
    info = folder / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[ganforge.strategies]\n{entry_points}\n")
    (folder / "odd_plugin.py").write_text(source)


def test_the_built_in_strategies_are_found_and_told_as_the_coordinator_tells_them() -> None:
    assert registry.find_strategy("GANLearningStrategy") is GANLearningStrategy
    assert list(registry.BUILT_IN) == list(BUILT_IN)
    for name, strategy in registry.BUILT_IN.items():
        told = strategy.info(name)
        assert told.summary == BUILT_IN[name].summary
        assert told.config_schema == BUILT_IN[name].config.model_json_schema()


def test_a_plug_in_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "GilHolder" not in registry.strategies()
    monkeypatch.syspath_prepend(PLUGIN)
    found = registry.find_strategy("GilHolder")
    assert issubclass(found, LearningStrategy)
    told = found.info("GilHolder")
    assert told.summary.startswith("GANLearningStrategy, which once sleeps")
    assert "generatorDim" in told.config_schema["properties"]


@pytest.mark.parametrize(
    ("entry_points", "source"),
    [
        ("Odd = nowhere_at_all:Odd", ""),
        ("Odd = odd_plugin:Odd", "raise RuntimeError('no')"),
        ("Odd = odd_plugin:Odd", "import sys\nsys.missing"),
        ("Odd = odd_plugin:Odd", ""),
        ("Odd = odd_plugin:Odd", "class Odd: pass"),
        ("Odd = odd_plugin:Odd", "Odd = 3"),
        (
            "no name = odd_plugin:Odd",
            "from ganforge_learner.strategies import GANLearningStrategy as Odd",
        ),
    ],
    ids=["no module", "raises", "attribute", "no class", "no strategy", "no type", "no name"],
)
def test_a_plug_in_that_cannot_be_used_is_left_out_and_logged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    entry_points: str,
    source: str,
) -> None:
    install(tmp_path, entry_points, source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "odd_plugin", raising=False)
    with caplog.at_level(logging.ERROR):
        assert set(registry.strategies()) == set(registry.BUILT_IN)
    assert "a plug-in cannot be used" in caplog.text


def test_no_plug_in_takes_a_built_in_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "GANLearningStrategy = gil_holder:GilHolder")
    monkeypatch.syspath_prepend(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.find_strategy("GANLearningStrategy") is GANLearningStrategy


def test_an_unknown_strategy_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'GANLearningStrategy'") as caught:
        registry.find_strategy("GanLearningStrategy")
    assert caught.value.members["known"] == sorted(registry.BUILT_IN)
    with pytest.raises(UnknownName, match="known are GANLearningStrategy, LSGAN"):
        registry.find_strategy("xyz")
