"""How soon what people wait for happens, with the settings that people run and real learners.

From a submit until the learner that waits has the job; from a stop until the trainer is told; from
kill -9 of a learner until its job runs on another one; and until it runs again on the same one,
started at once: how much of that is the start of its processes is told beside it.

    python3 run.py bench latencies [--database sqlite|postgresql|both] [--submits 100]
        [--stops 20] [--restarts 10] [--kills 20] [--hosts 5] [--json]

So many hosts have a job each, and as many more stand by; their jobs leave the machine its rest.
"""

import argparse
import json
import os
import random
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.load.figures import Figures
from ganforge.wire.jobs import JobAction, JobState
from tests.chaos.ground import FULL, Ground, ready
from tests.support.system import System


def logged_at(system: System, name: str, message: str, job_id: str = "") -> float | None:
    """Tell when a learner's process said so (of a job), in seconds since 1970; None if not yet."""
    for line in system.latest_log(name).splitlines():
        if f" {message} " in line and job_id in line:
            return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()
    return None


def until_logged(system: System, name: str, message: str, job_id: str = "") -> float:
    """Wait until a learner's process says so, and tell when it did."""
    system.until(lambda: logged_at(system, name, message, job_id) is not None, f"{name}: {message}")
    moment = logged_at(system, name, message, job_id)
    assert moment is not None
    return moment


def runs_again_at(system: System, job_id: str, epoch: int) -> float:
    """Wait until a job runs in a later attempt, and tell when that was kept, by the database."""
    for event in system.coordinator.follow(job_id):
        if event.epoch > epoch and event.data.get("state") == JobState.RUNNING:
            return event.at.timestamp()
    raise AssertionError(f"{job_id} is over")


def submits(place: Ground, figures: Figures, tries: int) -> None:
    """Submit short jobs to one learner that waits, one after the other."""
    for _ in range(tries):
        time.sleep(random.uniform(0.3, 1.3))  # the learner is back at its claim
        began = time.time()
        job_id = place.submit(maxIterations=1)
        claimed = until_logged(place.system, "learner", "working on a job", job_id)
        figures.add("submit to claimed", claimed - began)
        place.system.until_state(job_id, JobState.SUCCEEDED)


def stops(place: Ground, figures: Figures, tries: int) -> None:
    """Stop jobs that run, one after the other, at any moment between two beats."""
    for _ in range(tries):
        job_id = place.begin()
        rest()
        began = time.time()
        place.system.coordinator.steer(job_id, JobAction.STOP)
        told = until_logged(place.system, "learner", "told the trainer to end", job_id)
        figures.add("stop to trainer told", told - began)
        place.system.until_state(job_id, JobState.SUCCEEDED)


def restarts(place: Ground, figures: Figures, tries: int) -> None:
    """Kill the only learner there is, again and again, and start it anew at once."""
    system, job_id = place.system, place.begin()
    for _ in range(tries):
        rest()
        epoch = system.job(job_id).epoch
        system.kill("learner")
        began = time.time()
        system.start("learner")
        again = runs_again_at(system, job_id, epoch)
        ready = until_logged(system, "learner", "ready for jobs")
        figures.add("kill -9 to running after a restart", again - began)
        figures.add("  of which until the learner is ready", ready - began)
    end(place, [job_id])


def kills(place: Ground, figures: Figures, tries: int, hosts: int) -> None:
    """Kill the learners of all jobs; others stand by. The killed ones stand by the next time."""
    system = place.system
    start(system, [f"learner-{number}" for number in range(2, 2 * hosts + 1)])
    jobs = [place.begin() for _ in range(hosts)]
    for done in range(0, tries, hosts):
        killed = [kill_learner_of(system, job_id) for job_id in jobs[: tries - done]]
        for job_id, (_, epoch, began) in zip(jobs, killed, strict=False):
            again = runs_again_at(system, job_id, epoch)
            figures.add("kill -9 to running on another learner", again - began)
        start(system, [name for name, _, _ in killed])
    end(place, jobs)


def kill_learner_of(system: System, job_id: str) -> tuple[str, int, float]:
    """Kill the learner of a job some time after the last one; gives its name, epoch and when."""
    rest()
    attempt = system.job(job_id).attempts[-1]
    name = attempt.learner.removeprefix("the-")
    system.kill(name)
    return name, attempt.epoch, time.time()


def start(system: System, names: list[str]) -> None:
    """Start learners, one after the other, each when the one before takes jobs."""
    for name in names:
        system.start(name)
        system.until_it_takes_jobs(name)


def rest() -> None:
    """Let some time pass, so that the next thing falls anywhere between two beats."""
    time.sleep(random.uniform(0, FULL.heartbeat_seconds))


def end(place: Ground, job_ids: list[str]) -> None:
    """Stop jobs, and check that none of their points is missing or double."""
    for job_id in job_ids:
        place.finish(job_id)


def measure(asked: argparse.Namespace, database: str, figures: Figures) -> None:
    """Measure on one kind of database."""
    with (
        tempfile.TemporaryDirectory(prefix="ganforge-bench-") as folder,
        ready(Path(folder), database, pace=FULL) as place,
    ):
        place.system.until_it_takes_jobs("learner")
        submits(place, figures, asked.submits)
        stops(place, figures, asked.stops)
        if asked.restarts:
            restarts(place, figures, asked.restarts)
        if asked.kills:
            kills(place, figures, asked.kills, asked.hosts)


def tell(asked: argparse.Namespace, database: str, figures: Figures) -> None:
    """Print what was measured on one kind of database."""
    milliseconds = figures.told()["milliseconds"]
    told = {"database": database, "load_average": os.getloadavg(), "milliseconds": milliseconds}
    if asked.json:
        print(json.dumps(told), flush=True)
    else:
        show(told)


def show(told: dict[str, Any]) -> None:
    """Print it for people."""
    load_average = " ".join(f"{load:.1f}" for load in told["load_average"])
    print(f"{told['database']}; load average of the machine at the end: {load_average}")
    for name, row in told["milliseconds"].items():
        values = "  ".join(f"{key} {row[key] / 1000:6.2f}" for key in ("p50", "p95", "max"))
        print(f"  {name:40} {row['count']:4} tries  {values} s", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--submits", type=int, default=100)
    parser.add_argument("--stops", type=int, default=20)
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--hosts", type=int, default=5, help="killed at the same time")
    parser.add_argument("--json", action="store_true", help="print one JSON object a database")
    asked = parser.parse_args()
    both = ("sqlite", "postgresql")
    for database in both if asked.database == "both" else (asked.database,):
        figures = Figures()
        try:
            measure(asked, database, figures)
        finally:  # what was measured until something went wrong is no less true
            tell(asked, database, figures)


if __name__ == "__main__":
    main()
