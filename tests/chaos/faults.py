"""The faults that a running job must survive, each with what is promised and how soon."""

import resource
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psutil

from ganforge.wire.jobs import JobAction, JobState
from tests.chaos.ground import LEASE_SECONDS, SCALE, Ground
from tests.chaos.proxy import FINE, Weather

HOUR_MS = 3_600_000
UNSCALED = 10.0
"""Seconds for what no lease sets: processes that start, clients that try again."""


@dataclass(frozen=True)
class Fault:
    """One way to break things.

    Args:
        name: what it is.
        try_it: breaks, waits until the job goes on, checks; gives the seconds that took.
        bound_seconds: how long that may take on an idle machine; leases are scaled.
        database: the one kind it is about.
    """

    name: str
    try_it: Callable[[Ground], float]
    bound_seconds: float = UNSCALED
    database: str = ""


FAULTS: list[Fault] = []


def fault(
    name: str, *, bound_seconds: float = UNSCALED, database: str = ""
) -> Callable[[Callable[[Ground], float]], Callable[[Ground], float]]:
    """Enter a function among the faults."""

    def enter(try_it: Callable[[Ground], float]) -> Callable[[Ground], float]:
        FAULTS.append(Fault(name, try_it, bound_seconds, database))
        return try_it

    return enter


def _survive(ground: Ground, job_id: str, *, attempts: int) -> float:
    """Wait until the job goes on, end it, and check how many attempts it took."""
    seconds = ground.until_it_goes_on(job_id, attempts=attempts)
    _check_attempts(ground, job_id, attempts)
    return seconds


def _check_attempts(ground: Ground, job_id: str, attempts: int) -> None:
    """End the job, and check how many attempts it took."""
    done = ground.finish(job_id)
    # A lease that the dead one's last claim was given is taken back when nobody acknowledges it.
    begun = [attempt for attempt in done.attempts if attempt.end_reason != "unacknowledged"]
    if ground.counts_attempts:
        assert len(begun) == attempts, [str(attempt) for attempt in done.attempts]


@contextmanager
def _another_learner(ground: Ground) -> Iterator[None]:
    """Have a second learner there, which is given what the first one loses."""
    system = ground.system
    before = {learner.id for learner in system.coordinator.learners()}
    system.start("learner-2")
    system.until(
        lambda: any(learner.id not in before for learner in system.coordinator.learners()),
        "the second learner is there",
    )
    try:
        yield
    finally:
        system.kill("learner-2")


@fault("kill -9 of the trainer")
def kill_trainer(ground: Ground) -> float:
    job = ground.begin()
    ground.system.kill("trainer")
    return _survive(ground, job, attempts=2)


@fault("kill -9 of the agent, started again: its job within seconds, its orphan dead")
def kill_agent(ground: Ground) -> float:
    job = ground.begin()
    orphan = psutil.Process(ground.system.trainer_pid())
    ground.system.kill("learner")
    ground.system.start("learner")
    seconds = _survive(ground, job, attempts=2)
    orphan.wait(UNSCALED)
    return seconds


@fault("kill -9 of the agent for good: its job at another learner", bound_seconds=35 / SCALE + 2)
def kill_agent_for_good(ground: Ground) -> float:
    job = ground.begin()
    with _another_learner(ground):
        ground.system.kill("learner")
        seconds = _survive(ground, job, attempts=2)
    ground.system.start("learner")
    return seconds


@fault("SIGSTOP of the agent for 1.5 leases, then SIGCONT: a zombie beside its heir")
def stop_agent(ground: Ground) -> float:
    job = ground.begin()
    with _another_learner(ground):
        ground.system.signal("learner", signal.SIGSTOP)
        time.sleep(1.5 * LEASE_SECONDS)
        ground.system.signal("learner", signal.SIGCONT)
        return _survive(ground, job, attempts=2)


@fault("a trainer that holds the GIL for 4 leases: nothing is lost")
def hold_gil(ground: Ground) -> float:
    began = time.monotonic()
    job = ground.begin(strategy="GilHolder")
    _check_attempts(ground, job, 1)
    return time.monotonic() - began - 4 * LEASE_SECONDS


@fault("kill -9 of the coordinator, started again")
def kill_coordinator(ground: Ground) -> float:
    job = ground.begin()
    ground.system.kill("coordinator")
    ground.system.start("coordinator")
    return _survive(ground, job, attempts=1)


@fault("the coordinator is away for 20 leases: no attempt lost")
def coordinator_away(ground: Ground) -> float:
    job = ground.begin()
    ground.system.kill("coordinator")
    time.sleep(20 * LEASE_SECONDS)
    ground.system.start("coordinator")
    return _survive(ground, job, attempts=1)


@fault("the database is away for 20 leases: no attempt lost", database="postgresql")
def database_away(ground: Ground) -> float:
    job = ground.begin()
    assert ground.database_proxy is not None
    ground.database_proxy.change(Weather(parted=True))
    time.sleep(20 * LEASE_SECONDS)
    ground.database_proxy.change(FINE)
    return _survive(ground, job, attempts=1)


@fault("PostgreSQL crashes and restarts", database="postgresql")
def restart_postgres(ground: Ground) -> float:
    job = ground.begin()
    assert ground.postgres_server is not None
    ground.postgres_server.control("restart", "-m", "immediate")
    seconds = ground.until_it_goes_on(job)
    ground.finish(job)  # whether the lease lives is a matter of how long the restart takes
    return seconds


@fault("PostgreSQL answers 50 ms late, at 200 kB/s", database="postgresql")
def slow_database(ground: Ground) -> float:
    job = ground.begin()
    assert ground.database_proxy is not None
    ground.database_proxy.change(Weather(delay_seconds=0.025, bytes_per_second=200_000))
    seconds = ground.until_it_goes_on(job)
    ground.database_proxy.change(FINE)
    _check_attempts(ground, job, 1)
    return seconds


@fault("another process keeps SQLite locked for half a lease", database="sqlite")
def lock_sqlite(ground: Ground) -> float:
    job = ground.begin()
    with closing(sqlite3.connect(ground.sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(LEASE_SECONDS / 2)
        other.execute("ROLLBACK")
    return _survive(ground, job, attempts=1)


@fault("the disk of SQLite is full for half a lease", database="sqlite")
def fill_disk(ground: Ground) -> float:
    job = ground.begin()
    server = psutil.Process(ground.system.pid("coordinator"))
    before = server.rlimit(psutil.RLIMIT_FSIZE)
    server.rlimit(psutil.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    time.sleep(LEASE_SECONDS / 2)
    server.rlimit(psutil.RLIMIT_FSIZE, before)
    return _survive(ground, job, attempts=1)


@fault("the disk of the learner is full: a later attempt goes on")
def fill_learner_disk(ground: Ground) -> float:
    job = ground.begin()
    trainer = psutil.Process(ground.system.trainer_pid())
    trainer.rlimit(psutil.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    seconds = ground.until_it_goes_on(job, attempts=2)
    ground.finish(job)
    return seconds


@fault("an older backup is restored: no epoch comes twice", database="sqlite")
def restore_backup(ground: Ground) -> float:
    job = ground.begin()
    backup = ground.sqlite_file.with_suffix(".backup")
    with (
        closing(sqlite3.connect(ground.sqlite_file)) as now,
        closing(sqlite3.connect(backup)) as kept,
    ):
        now.backup(kept)
    ground.system.kill("learner")
    ground.system.start("learner")
    ground.until_it_goes_on(job, attempts=2)
    epoch = ground.system.job(job).attempts[-1].epoch
    ground.system.kill("coordinator")
    for suffix in ("-wal", "-shm"):
        ground.sqlite_file.with_name(ground.sqlite_file.name + suffix).unlink(missing_ok=True)
    backup.replace(ground.sqlite_file)
    began = time.monotonic()
    ground.system.start("coordinator")
    ground.system.until(
        lambda: ground.system.job(job).attempts[-1].epoch > epoch, "a later epoch begins"
    )
    seconds = time.monotonic() - began
    ground.system.until_state(job, JobState.RUNNING)
    ground.system.coordinator.steer(job, JobAction.CANCEL)
    return seconds


@fault("the clock jumps an hour ahead: no attempt lost")
def clock_ahead(ground: Ground) -> float:
    job = ground.begin()
    ground.shift_clock(HOUR_MS)
    return _survive(ground, job, attempts=1)


@fault("the clock jumps an hour back: no attempt lost")
def clock_back(ground: Ground) -> float:
    job = ground.begin()
    ground.shift_clock(-HOUR_MS)
    return _survive(ground, job, attempts=1)


def _part(ground: Ground, leases: float) -> str:
    job = ground.begin()
    ground.proxy.change(Weather(parted=True))
    time.sleep(leases * LEASE_SECONDS)
    ground.proxy.change(FINE)
    return job


@fault("agent and coordinator are parted for a third of a lease")
def part_briefly(ground: Ground) -> float:
    return _survive(ground, _part(ground, 1 / 3), attempts=1)


@fault("agent and coordinator are parted for nearly a lease")
def part_nearly(ground: Ground) -> float:
    job = _part(ground, 0.9)
    seconds = ground.until_it_goes_on(job)
    ground.finish(job)  # whether the lease lives is a matter of when it was last renewed
    return seconds


@fault("agent and coordinator are parted for just more than a lease")
def part_longer(ground: Ground) -> float:
    job = _part(ground, 1.1)
    seconds = ground.until_it_goes_on(job)
    ground.finish(job)
    return seconds


@fault("agent and coordinator are parted for 10 leases", bound_seconds=UNSCALED + LEASE_SECONDS)
def part_for_long(ground: Ground) -> float:
    job = _part(ground, 10)
    return _survive(ground, job, attempts=2)


@fault("the connection is half-open for 1.5 leases")
def freeze(ground: Ground) -> float:
    job = ground.begin()
    ground.proxy.change(Weather(frozen=True))
    time.sleep(1.5 * LEASE_SECONDS)
    ground.proxy.change(FINE)
    seconds = ground.until_it_goes_on(job)
    ground.finish(job)
    return seconds


@fault("requests and answers are lost, doubled, late and out of order")
def bad_weather(ground: Ground) -> float:
    weather = Weather(
        delay_seconds=0.02, lost_requests=0.05, lost_answers=0.1, doubled=0.2, reordered=0.2
    )
    ground.proxy.change(weather)
    job = ground.begin()
    began = time.monotonic()
    done = ground.finish(job)
    ground.proxy.change(FINE)
    assert done.iteration > 0
    assert ground.proxy.counts["doubled"], "nothing was doubled: nothing was tried"
    return time.monotonic() - began


@fault("two agents of one name: the later one has it")
def same_name(ground: Ground) -> float:
    job = ground.begin()
    first = psutil.Process(ground.system.pid("learner"))
    ground.system.start("learner")
    seconds = _survive(ground, job, attempts=2)
    first.wait(60)
    return seconds


@fault("the repository is away for 2 leases: no attempt lost")
def repository_away(ground: Ground) -> float:
    job = ground.begin()
    ground.system.kill("repository")
    time.sleep(2 * LEASE_SECONDS)
    ground.system.start("repository")
    return _survive(ground, job, attempts=1)
