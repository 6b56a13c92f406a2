"""A lease outlives a training loop that lets nothing else run, and not one that hangs."""

import pytest

from ganforge.wire.jobs import JobState
from tests.e2e.test_main_job import digits
from tests.support.system import System

pytestmark = pytest.mark.e2e


def test_a_trainer_that_holds_the_gil_longer_than_a_lease_loses_nothing(system: System) -> None:
    # It holds the GIL for 8 s; a lease lives for 3.
    job = system.coordinator.submit(digits(strategy="GilHolder", maxIterations=60))
    done = system.until_state(job.id, JobState.SUCCEEDED)
    assert [attempt.state for attempt in done.attempts] == ["SUCCEEDED"]


def test_a_trainer_that_hangs_is_replaced_and_the_job_goes_on(system: System) -> None:
    (system.folder / "hang").touch()
    job = digits(strategy="HangsOnce", maxIterations=60).model_copy(update={"stall_seconds": 5})
    done = system.until_state(system.coordinator.submit(job).id, JobState.SUCCEEDED)
    assert done.attempts[0].end_reason == "stalled"
    assert done.iteration == 60
