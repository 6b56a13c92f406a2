"""The worked example of a plug-in, installed and run from end to end."""

from pathlib import Path

import pytest

from ganforge.wire.jobs import JobState, LearnJob
from tests.e2e.test_main_job import check_everything_is_there
from tests.support.system import System

pytestmark = pytest.mark.e2e


def test_a_plug_ins_strategy_networks_and_dataset_train_a_generator(
    system: System, tmp_path: Path
) -> None:
    told = {info.name: info for info in system.coordinator.strategies()}
    assert "noise" in told["InstanceNoiseGAN"].config_schema["properties"]
    assert "bars" in {info.name for info in system.coordinator.datasets()}
    job = system.coordinator.submit(
        LearnJob(
            networks=["BarsGenerator", "BarsDiscriminator"],
            dataset="bars",
            config={
                "strategy": "InstanceNoiseGAN",
                "generatorDim": 4,
                "method": "ADAM",
                "noise": 0.2,
                "maxIterations": 300,
                "seed": 5,
            },
        )
    )
    done = system.until_state(job.id, JobState.SUCCEEDED)
    assert done.iteration == 300
    check_everything_is_there(system, job.id, tmp_path)
