"""One system for all these tests: they kill its parts, and start them again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.system import System, running

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "support" / "plugin"
EXAMPLE = ROOT / "examples" / "ganforge_example"


def install(package: Path, folder: Path) -> Path:
    """Install a package of somebody else's into a folder of its own, as pip does."""
    words = ["--quiet", "--no-deps", "--no-build-isolation", "--no-compile", "--no-index"]
    command = [sys.executable, "-m", "pip", "install", *words, "--target", str(folder)]
    done = subprocess.run([*command, str(package)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Coordinator, repository and learner as processes, with a third party's strategy installed."""
    installed = install(EXAMPLE, tmp_path_factory.mktemp("installed"))
    path = os.pathsep.join([str(PLUGIN), str(installed), os.environ.get("PYTHONPATH", "")])
    folder = tmp_path_factory.mktemp("system")
    environment = {"PYTHONPATH": path, "HANG_ONCE": str(folder / "hang")}
    with running(folder, environment=environment) as system:
        system.until_a_learner_is_there()
        yield system


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How many times each strategy's job is killed: ``--kills``."""
    return int(request.config.getoption("--kills"))
