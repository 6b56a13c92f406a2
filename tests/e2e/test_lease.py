"""A lease outlives a training loop that lets nothing else run."""

import os
from pathlib import Path

import pytest

from ganforge.wire.jobs import JobState
from tests.e2e.test_main_job import digits
from tests.support.system import running, until

pytestmark = pytest.mark.e2e

PLUGIN = Path(__file__).parent.parent / "support" / "plugin"


def test_a_trainer_that_holds_the_gil_longer_than_a_lease_loses_nothing(tmp_path: Path) -> None:
    path = os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")])
    with running(tmp_path, environment={"PYTHONPATH": path}) as system:
        known = system.coordinator.strategies
        until(lambda: any(s.name == "GilHolder" for s in known()), "the plug-in is announced")
        # It holds the GIL for 8 s; a lease lives for 3.
        job = system.coordinator.submit(digits(strategy="GilHolder", maxIterations=60))
        done = system.until_state(job.id, JobState.SUCCEEDED)
        assert [attempt.state for attempt in done.attempts] == ["SUCCEEDED"]
