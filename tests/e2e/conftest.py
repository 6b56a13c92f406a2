"""One system for all these tests: they kill its parts, and start them again."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.system import System, running

PLUGIN = Path(__file__).parent.parent / "support" / "plugin"


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Coordinator, repository and learner as processes, with a third party's strategy installed."""
    path = os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")])
    folder = tmp_path_factory.mktemp("system")
    with running(folder, environment={"PYTHONPATH": path}) as system:
        system.until_a_learner_is_there()
        yield system
