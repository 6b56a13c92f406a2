"""What becomes of the coordinator's database, and of its clock."""

import resource
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing

import psutil

from ganforge.wire.jobs import JobAction, JobState
from tests.chaos.faults.fault import check_attempts, fault, survive
from tests.chaos.ground import Ground
from tests.chaos.proxy import FINE, Weather

HOUR_MS = 3_600_000


@fault("the database is away for 20 leases: no attempt lost", database="postgresql")
def database_away(ground: Ground) -> float:
    job = ground.begin()
    assert ground.database_proxy is not None
    ground.database_proxy.change(Weather(parted=True))
    time.sleep(20 * ground.lease_seconds)
    ground.database_proxy.change(FINE)
    return survive(ground, job, attempts=1)


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
    check_attempts(ground, job, 1)
    return seconds


@fault("another process keeps SQLite locked for half a lease", database="sqlite")
def lock_sqlite(ground: Ground) -> float:
    job = ground.begin()
    with closing(sqlite3.connect(ground.sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(ground.lease_seconds / 2)
        other.execute("ROLLBACK")
    return survive(ground, job, attempts=1)


@fault("the disk of SQLite is full for half a lease", database="sqlite")
def fill_disk(ground: Ground) -> float:
    job = ground.begin()
    server = psutil.Process(ground.system.pid("coordinator"))
    before = server.rlimit(psutil.RLIMIT_FSIZE)
    server.rlimit(psutil.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    time.sleep(ground.lease_seconds / 2)
    server.rlimit(psutil.RLIMIT_FSIZE, before)
    return survive(ground, job, attempts=1)


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
    _until_a_later_epoch(ground, job, epoch)
    return time.monotonic() - began


@fault("PostgreSQL fails over to an older copy: no epoch comes twice", database="postgresql")
def fail_over(ground: Ground) -> float:
    job = ground.begin()
    server = ground.postgres_server
    assert server is not None
    older = server.folder.with_name("older")
    server.control("stop", "-m", "fast")
    # The server may be another user's than ours: whose the files are is kept.
    subprocess.run(["cp", "-a", str(server.folder), str(older)], check=True)
    server.control("restart")  # unlike "start", it knows the options
    ground.until_it_goes_on(job)
    ground.system.kill("learner")
    ground.system.start("learner")
    ground.until_it_goes_on(job, attempts=2)
    epoch = ground.system.job(job).attempts[-1].epoch
    server.control("stop", "-m", "immediate")
    shutil.rmtree(server.folder)
    older.rename(server.folder)
    began = time.monotonic()
    server.control("restart")
    _until_a_later_epoch(ground, job, epoch)
    return time.monotonic() - began


def _until_a_later_epoch(ground: Ground, job_id: str, epoch: int) -> None:
    """Wait until a job is worked on with a later epoch than any before; then end it."""

    def is_later() -> bool:
        now = ground.job(job_id)
        assert now is None or now.epoch != epoch, "an epoch comes twice"
        return now is not None and now.epoch > epoch and now.state is JobState.RUNNING

    ground.system.until(is_later, "a later epoch begins")
    ground.system.coordinator.steer(job_id, JobAction.CANCEL)


@fault("the clock jumps an hour ahead: no attempt lost")
def clock_ahead(ground: Ground) -> float:
    job = ground.begin()
    ground.shift_clock(HOUR_MS)
    return survive(ground, job, attempts=1)


@fault("the clock jumps an hour back: no attempt lost")
def clock_back(ground: Ground) -> float:
    job = ground.begin()
    ground.shift_clock(-HOUR_MS)
    return survive(ground, job, attempts=1)
