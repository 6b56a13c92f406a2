"""What becomes of a learner: killed, stopped, starved, full, named like another, locked out."""

import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from ganforge.wire.jobs import Attempt
from ganforge.wire.tokens import Role
from ganforge_chassis.tokens import TRUST_SECONDS
from tests.chaos.faults.fault import check_attempts, fault, survive
from tests.chaos.ground import Ground
from tests.support.system import PATIENCE_SECONDS


@contextmanager
def _another_learner(
    ground: Ground, name: str = "learner-2", environment: dict[str, str] | None = None
) -> Iterator[None]:
    """Have another learner there, which is given what the first one loses."""
    system = ground.system
    system.start(name, environment=environment)
    system.until_it_takes_jobs(name)
    try:
        yield
    finally:
        system.kill(name)


@fault("kill -9 of the trainer")
def kill_trainer(ground: Ground) -> float:
    job = ground.begin()
    ground.system.kill("trainer")
    return survive(ground, job, attempts=2)


@fault("kill -9 of the agent, started again: its job within seconds, its orphan dead")
def kill_agent(ground: Ground) -> float:
    job = ground.begin()
    orphan = psutil.Process(ground.system.trainer_pid())
    ground.system.kill("learner")
    ground.system.start("learner")
    seconds = survive(ground, job, attempts=2)
    orphan.wait(PATIENCE_SECONDS)
    return seconds


@fault("kill -9 of the agent for good: its job at another learner", seconds=2.0, leases=1.1)
def kill_agent_for_good(ground: Ground) -> float:
    job = ground.begin()
    with _another_learner(ground):
        ground.system.kill("learner")
        seconds = survive(ground, job, attempts=2)
    ground.system.start("learner")
    return seconds


@fault("SIGSTOP of the agent for 1.5 leases, then SIGCONT: a zombie beside its heir")
def stop_agent(ground: Ground) -> float:
    job = ground.begin()
    with _another_learner(ground):
        ground.system.signal("learner", signal.SIGSTOP)
        time.sleep(1.5 * ground.lease_seconds)
        ground.system.signal("learner", signal.SIGCONT)
        return survive(ground, job, attempts=2)


@fault("a trainer that holds the GIL for 4 leases: nothing is lost")
def hold_gil(ground: Ground) -> float:
    began = time.monotonic()
    job = ground.begin(strategy="GilHolder")
    check_attempts(ground, job, 1)
    return time.monotonic() - began - 4 * ground.lease_seconds


@fault("the disk of the trainer is full: a later attempt goes on")
def fill_trainer_disk(ground: Ground) -> float:
    job = ground.begin()
    trainer = psutil.Process(ground.system.trainer_pid())
    trainer.rlimit(psutil.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    seconds = ground.until_it_goes_on(job, attempts=2)
    ground.finish(job)
    return seconds


@fault("the disk of the agent is full when an attempt begins: a later one goes on")
def fill_agent_disk(ground: Ground) -> float:
    job = ground.begin()
    agent = psutil.Process(ground.system.pid("learner"))
    before = agent.rlimit(psutil.RLIMIT_FSIZE)
    agent.rlimit(psutil.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    ground.system.kill("trainer")  # the next attempt fetches its snapshot
    ground.system.until(lambda: len(_failures(ground, job)) == 2, "the next attempt fails")
    agent.rlimit(psutil.RLIMIT_FSIZE, before)
    seconds = ground.until_it_goes_on(job, attempts=3)
    ground.finish(job)
    return seconds


def _failures(ground: Ground, job_id: str) -> list[Attempt]:
    return [one for one in ground.system.job(job_id).attempts if one.state == "FAILED"]


@fault(
    "the token of a learner is revoked: it writes nothing more and ends, its job at another one",
    seconds=4.0,
    leases=1.1,
)
def revoke_token(ground: Ground) -> float:
    system = ground.system
    issued = system.tokens.create(Role.LEARNER, "one-that-leaves")
    system.signal("learner", signal.SIGTERM)
    system.wait_for_exit("learner")
    with _another_learner(ground, "learner-3", {"GANFORGE_TOKEN": issued.token}):
        leaver = psutil.Process(system.pid("learner-3"))
        job = ground.begin()
        system.start("learner")
        system.until_it_takes_jobs("learner")
        system.tokens.revoke(issued.id)
        time.sleep(TRUST_SECONDS)
        iteration = system.job(job).iteration
        seconds = ground.until_it_goes_on(job, attempts=2) + TRUST_SECONDS
        assert system.job(job).attempts[-1].resume_iteration <= iteration, "it wrote on"
        assert leaver.wait(PATIENCE_SECONDS) != 0
        assert "this token is not known here" in system.log("learner-3")
        check_attempts(ground, job, 2)
    return seconds


@fault("two agents of one name: the later one has it")
def same_name(ground: Ground) -> float:
    job = ground.begin()
    first = psutil.Process(ground.system.pid("learner"))
    ground.system.start("learner")
    seconds = survive(ground, job, attempts=2)
    first.wait(PATIENCE_SECONDS)
    return seconds
