"""Faults and storms against real processes, for as long as you like; every breach is told.

    python3 run.py chaos [--minutes 10] [--operations N] [--database both] [--seed N]
        [--only faults|storms] [--match TEXT] [--full] [--beside 1] [--patience 1.0] [--json]

First every fault of ``faults``: a real learner trains, something is broken, and the job must go on
in time, with no point missing or double. Leases are scaled to a tenth; with ``--full`` they are the
defaults of 30 s, and a fault waits as long as it says: 10 minutes some. Several may be tried side
by side, each on a system of its own. Then storms: learners that
sleep over their leases and write on, lost and repeated requests, coordinators killed with -9; the
history of each is checked when it is over. The exit code is 1 where a promise was broken.
"""

import argparse
import json
import math
import random
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.chaos import ground, site
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.storm import Storm
from tests.support import postgres

ROUND = 50_000
COORDINATORS = {"sqlite": 1, "postgresql": 2}


def main() -> int:
    """Run storms and tell of each; gives the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of each database")
    parser.add_argument("--operations", type=int, help="of each database, instead of --minutes")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--learners", type=int, default=16, help="in each of four processes")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", choices=("faults", "storms"))
    parser.add_argument("--match", default="", help="only faults with this in their name")
    parser.add_argument("--full", action="store_true", help="leases of 30 s, as people run them")
    parser.add_argument("--beside", type=int, default=1, help="faults tried at the same time")
    parser.add_argument("--json", action="store_true", help="print one JSON object a fault")
    parser.add_argument(
        "--patience", type=float, default=1.0, help="times the bounds, on a busy machine"
    )
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    databases = list(COORDINATORS) if asked.database == "both" else [asked.database]
    broken = 0
    for database in databases:
        if asked.only != "storms":
            broken += faults(asked, database)
        if asked.only != "faults":
            broken += storms(asked, database)
    return min(1, broken)


def faults(asked: argparse.Namespace, database: str) -> int:
    """Try every fault on one database; gives how many promises were broken."""
    left: SimpleQueue[Fault] = SimpleQueue()
    for fault in FAULTS:
        if fault.database in ("", database) and asked.match in fault.name:
            left.put(fault)
    with ThreadPoolExecutor(asked.beside) as lanes:
        broken = [lanes.submit(lane, left, asked, database) for _ in range(asked.beside)]
        return sum(each.result() for each in broken)


def lane(left: SimpleQueue[Fault], asked: argparse.Namespace, database: str) -> int:
    """Try one fault after the other of those left; gives how many promises were broken."""
    broken = 0
    pace = ground.FULL if asked.full else ground.TENTH
    while not left.empty():
        with tempfile.TemporaryDirectory(prefix="ganforge-chaos-") as folder:
            try:
                with ground.ready(Path(folder), database, pace=pace) as place:
                    while True:
                        broken += tried(left.get_nowait(), place, asked, database)
            except Empty:
                return broken
            except Exception as error:  # what is broken may stay so: begin on new ground
                told = error if isinstance(error, AssertionError) else traceback.format_exc()
                print(f"  {told}", flush=True)
                broken += 1
    return broken


def tried(fault: Fault, place: ground.Ground, asked: argparse.Namespace, database: str) -> int:
    """Try a fault and tell of it; gives 1 when it took too long.

    Raises:
        Exception: a promise was broken.
    """
    bound = fault.bound_seconds(place) * asked.patience
    told = {"database": database, "fault": fault.name, "bound_seconds": bound}
    try:
        seconds = fault.try_it(place)
    except Exception:
        tell(asked, {**told, "verdict": "BROKEN"})
        raise
    tell(asked, {**told, "verdict": "ok" if seconds <= bound else "LATE", "seconds": seconds})
    return int(seconds > bound)


def tell(asked: argparse.Namespace, told: dict[str, Any]) -> None:
    """Print what came of a fault."""
    if asked.json:
        print(json.dumps(told), flush=True)
        return
    took = f": {told['seconds']:.1f} s" if "seconds" in told else ""
    verdict, name, bound = told["verdict"], told["fault"], told["bound_seconds"]
    print(f"{told['database']}  {verdict:6}  {name}{took} (bound {bound:.1f} s)", flush=True)


def storms(asked: argparse.Namespace, database: str) -> int:
    """Run rounds on one database until they are enough; gives how many promises were broken."""
    done = broken = stale = number = 0
    limit = math.inf if asked.operations is None else asked.operations
    end = time.monotonic() + 60 * asked.minutes if asked.operations is None else math.inf
    while done < limit and time.monotonic() < end:
        most = int(min(ROUND, limit - done))
        with ExitStack() as stack:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="ganforge-chaos-"))
            )
            if database == "sqlite":
                url = f"sqlite:///{folder / 'chaos.db'}"
            else:
                url = stack.enter_context(postgres.running()).new_database()
            count = COORDINATORS[database]
            coordinators = stack.enter_context(site.running(folder, url, count=count))
            storm = Storm(
                coordinators,
                folder,
                seed=asked.seed + number,
                operations=most,
                learners=asked.learners,
            )
            found = storm.run()
        rate = found.operations / storm.seconds
        print(f"{database} storm {number}: {found}, {rate:.0f} operations/s", flush=True)
        for violation in found.violations:
            print(f"  BROKEN: {violation}", flush=True)
        done, number = done + found.operations, number + 1
        broken, stale = broken + len(found.violations), stale + found.stale_refused
    print(
        f"{database}: {done} operations in {number} storms, {stale} stale writes refused, "
        f"{broken} promises broken",
        flush=True,
    )
    return broken


if __name__ == "__main__":
    sys.exit(main())
