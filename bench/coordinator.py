"""What a coordinator bears: a thousand learners, those who watch them, and then all it can take.

In one process: learners that beat once per 10 s, each beat waiting at the server for a command, and
push 20 points of three series per 5 s; followers; readers of charts; a submit per second; a stop
per 5 s; 2 % of the learners killed per minute, half of which start again under their name. Then, in
a closed loop, pushes and beats from more and more connections at once.

    python3 run.py bench coordinator [--minutes 30] [--database sqlite|postgresql|both]
        [--learners 1000] [--followers 200] [--readers 20] [--saturation 10] [--json]

Pin it to two cores (`taskset -c 0,1 python3 ...`): the coordinator shares them with the load.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from bench.load.figures import Figures, quantiles
from bench.load.learners import PUSHES, Board, Fleet, SimulatedLearner
from bench.load.people import People
from ganforge_chassis.database import Database
from tests.chaos import site
from tests.chaos.site import Coordinators
from tests.support import postgres
from tests.support.learners import registration
from tests.support.plain_http import PlainConnection
from tests.support.system import TOKEN

SETTINGS = {"GANFORGE_TOKENS": f"admin:{TOKEN}"}
SUBMITS_PER_LEARNER_SECOND = 1 / 1000
SPARE_SHARE = 2  # percent of the learners, which find no job at first
STOP_SECONDS = 5.0
KILLED_PER_SECOND = 0.02 / 60
SAMPLE_SECONDS = 5.0
ARRIVALS_PER_SECOND = 50
CONNECTIONS = (4, 8, 16, 32, 64)


async def load(asked: argparse.Namespace, coordinators: Coordinators, figures: Figures) -> None:
    """Put the whole load on a coordinator for the minutes asked for."""
    url = coordinators.urls[0]
    board = Board(figures)
    people = People(url, TOKEN, board)

    def make(name: str, pushes: int) -> SimulatedLearner:
        return SimulatedLearner(url, TOKEN, name=name, board=board, pushes=pushes)

    fleet = Fleet(make, board)
    for index in range(asked.learners):
        # The jobs begin in the midst of their lives, so that they end one by one.
        fleet.start(pushes=1 + PUSHES * index // asked.learners)
        if index == 0:
            await asyncio.sleep(1.0)  # somebody must know the dataset before a job names it
        await people.submit()
        await asyncio.sleep(1 / ARRIVALS_PER_SECOND)
    for _ in range(SPARE_SHARE * asked.learners // 100):
        fleet.start()
    figures.times.clear()  # the rush of the start is no steady load
    others: list[Coroutine[Any, Any, None]] = [
        people.keep_submitting(1 / (asked.learners * SUBMITS_PER_LEARNER_SECOND)),
        people.keep_stopping(STOP_SECONDS),
        fleet.kill_some(asked.learners * KILLED_PER_SECOND),
        *(people.keep_reading() for _ in range(asked.readers)),
        *(people.keep_following() for _ in range(asked.followers)),
    ]
    tasks = [asyncio.create_task(other) for other in others]
    await sample(asked, coordinators, figures, fleet, tasks)
    fleet.kill_all()
    for task in tasks:
        task.cancel()


async def sample(
    asked: argparse.Namespace,
    coordinators: Coordinators,
    figures: Figures,
    fleet: Fleet,
    tasks: list[asyncio.Task[None]],
) -> None:
    """Look at the server until the load is over."""
    server = psutil.Process(coordinators.pid(0))
    began, used = time.monotonic(), sum(server.cpu_times()[:2])
    with coordinators.database() as database:
        while time.monotonic() - began < 60 * asked.minutes:
            await asyncio.sleep(SAMPLE_SECONDS)
            figures.resident_mb.append(server.memory_info().rss / 1e6)
            figures.database_mb.append(await asyncio.to_thread(size_mb, database))
            fleet.check()
            for task in tasks:
                if task.done():
                    task.result()
    figures.cpu_share = (sum(server.cpu_times()[:2]) - used) / (time.monotonic() - began)


def size_mb(database: Database) -> float:
    """Tell how large the database is."""
    with database.read() as connection:
        if database.is_sqlite:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            size = connection.execute(text("PRAGMA page_size")).scalar_one()
            return float(pages * size) / 1e6
        size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        return float(size) / 1e6


async def saturate(url: str, connections: int, seconds: float) -> dict[str, float]:
    """Push and beat from so many connections as fast as answers come: two pushes, one beat."""
    times: list[float] = []
    begin = asyncio.Event()

    async def one(index: int) -> None:
        connection = PlainConnection(url, TOKEN)
        name = f"saturating-{connections}-{index}"
        body = registration(name).model_dump(mode="json", by_alias=True)
        learner = (await connection.ask("POST", "/v1/learners", body)).json()["id"]
        job = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST"}
        await connection.ask("POST", "/v1/jobs", job)
        claim = await connection.ask(
            "POST", f"/v1/learners/{learner}/claim", {"claimKey": name}, "Prefer: wait=25\r\n"
        )
        path = f"/v1/attempts/{claim.json()['attemptId']}"
        await connection.ask("POST", f"{path}/heartbeat", {"started": True})
        await begin.wait()
        end = time.perf_counter() + seconds
        seq = number = 0
        while (now := time.perf_counter()) < end:
            number += 1
            if number % 3:
                losses = [0.25] * 20
                body = {"seq": seq, "first": 20 * seq, "series": {"minibatchLoss": losses}}
                answer = await connection.ask("POST", f"{path}/progress", body)
                seq += 1
            else:
                answer = await connection.ask("POST", f"{path}/heartbeat", {"started": True})
            assert answer.is_success, answer
            times.append(time.perf_counter() - now)
        await connection.ask("POST", f"{path}/complete", {"outcome": "SUCCEEDED", "iteration": 1})
        connection.close()

    loops = [asyncio.create_task(one(index)) for index in range(connections)]
    await asyncio.sleep(0.1 * connections)
    begin.set()
    await asyncio.gather(*loops)
    told = quantiles(times)
    return {"connections": connections, "per_second": round(len(times) / seconds, 1), **told}


def measure(asked: argparse.Namespace, database: str) -> dict[str, object]:
    """Measure on one kind of database."""
    figures = Figures()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ganforge-bench-")))
        if database == "sqlite":
            url = f"sqlite:///{folder / 'bench.db'}"
        else:
            url = stack.enter_context(postgres.running()).new_database()
        coordinators = stack.enter_context(site.running(folder, url, settings=SETTINGS))
        if asked.minutes:
            asyncio.run(load(asked, coordinators, figures))
        saturation = [
            asyncio.run(saturate(coordinators.urls[0], connections, asked.saturation))
            for connections in CONNECTIONS
            if asked.saturation
        ]
    told = figures.told()
    return {"database": database, "load_average": os.getloadavg(), **told, "saturation": saturation}


def show(told: dict[str, Any]) -> None:
    """Print what was measured on one kind of database."""
    load_average = " ".join(f"{load:.1f}" for load in told["load_average"])
    print(f"{told['database']}; load average of the machine at the end: {load_average}")
    for name, row in told["milliseconds"].items():
        values = "  ".join(f"{key} {row[key]:9.1f}" for key in ("p50", "p95", "p99", "max"))
        print(f"  {name:34} {row['count']:7}  {values} ms")
    print(f"  errors: {told['errors'] or 'none'}")
    for name in ("resident_mb", "database_mb"):
        if values := told[name]:
            middle = values[len(values) // 2]
            print(f"  {name}: {values[0]} then {middle} then {values[-1]}, max {max(values)}")
    print(f"  the coordinator used {told['cpu_share']} of a core")
    for row in told["saturation"]:
        print(
            f"  closed loop of {row['connections']:3}: {row['per_second']:7.1f} requests/s, "
            f"p50 {row['p50']:.1f} ms, p99 {row['p99']:.1f} ms"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="of load on each database")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--learners", type=int, default=1000)
    parser.add_argument("--followers", type=int, default=200)
    parser.add_argument("--readers", type=int, default=20, help="of charts")
    parser.add_argument("--saturation", type=float, default=10.0, help="seconds of each step")
    parser.add_argument("--json", action="store_true", help="print one JSON object a database")
    asked = parser.parse_args()
    both = ("sqlite", "postgresql")
    for database in both if asked.database == "both" else (asked.database,):
        told = measure(asked, database)
        if asked.json:
            print(json.dumps(told), flush=True)
        else:
            show(told)


if __name__ == "__main__":
    main()
