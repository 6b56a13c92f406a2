"""Coordinator and repository: killed at bad moments, and away for long."""

import time

from sqlalchemy import update

from ganforge.wire.jobs import JobState
from ganforge.wire.learning import LearnerAction, LearnerState
from ganforge_coordinator.api.deps import RECHECK_SECONDS
from ganforge_coordinator.db.models import learners
from tests.chaos.faults.fault import fault, survive
from tests.chaos.ground import Ground
from tests.chaos.proxy import FINE, Weather


@fault("kill -9 of the coordinator, started again")
def kill_coordinator(ground: Ground) -> float:
    job = ground.begin()
    ground.system.kill("coordinator")
    ground.system.start("coordinator")
    return survive(ground, job, attempts=1)


@fault("kill -9 of the coordinator with a claim not committed: nobody has the job twice")
def kill_before_commit(ground: Ground) -> float:
    system = ground.system
    (learner,) = (one for one in system.coordinator.learners() if one.is_alive)
    system.coordinator.steer_learner(learner.id, LearnerAction.DRAIN)
    job = ground.submit()
    active = update(learners).values(state=LearnerState.ACTIVE)
    with ground.database() as database:
        with database.write() as connection:
            connection.execute(active)  # past the coordinator, which finds out by looking again
        with database.write() as connection:
            connection.execute(active)  # the claim needs this row, and waits for us
            time.sleep(2 * RECHECK_SECONDS)
            system.kill("coordinator")
    system.start("coordinator")
    return survive(ground, job, attempts=1)


@fault("kill -9 of the coordinator after a claim, its answer lost: the claim's key has it again")
def kill_after_commit(ground: Ground) -> float:
    ground.proxy.change(Weather(lost_answers=1.0, only="/claim"))
    job = ground.submit()
    ground.system.until(
        lambda: ground.system.job(job).state is not JobState.QUEUED, "the job was claimed"
    )
    ground.system.kill("coordinator")
    ground.proxy.change(FINE)
    ground.system.start("coordinator")
    return survive(ground, job, attempts=1)


@fault("the coordinator is away for 20 leases: no attempt lost")
def coordinator_away(ground: Ground) -> float:
    job = ground.begin()
    ground.system.kill("coordinator")
    time.sleep(20 * ground.lease_seconds)
    ground.system.start("coordinator")
    return survive(ground, job, attempts=1)


@fault("the repository is away for 2 leases: no attempt lost")
def repository_away(ground: Ground) -> float:
    job = ground.begin()
    ground.system.kill("repository")
    time.sleep(2 * ground.lease_seconds)
    ground.system.start("repository")
    return survive(ground, job, attempts=1)
