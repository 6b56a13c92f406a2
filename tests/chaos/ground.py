"""Where faults are tried: the whole system as processes, its network and database breakable."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import update

from ganforge.errors import GanforgeError
from ganforge.wire.jobs import Job, JobAction, JobState, LearnJob
from ganforge_chassis.database import Database
from ganforge_coordinator.db.models import metadata
from tests.chaos.proxy import Proxy, proxied
from tests.support import postgres
from tests.support.postgres import PostgresServer
from tests.support.system import System, free_port

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "support" / "plugin"
STEADY = "Unhurried"
"""The strategy of jobs that are to leave the machine its rest."""


@dataclass(frozen=True)
class Pace:
    """How fast time passes for leases, and for all that is said in leases."""

    lease_seconds: float
    heartbeat_seconds: float
    acknowledge_seconds: float
    reap_seconds: float

    def environment(self) -> dict[str, str]:
        """Give the settings of the processes; a trainer that holds the GIL holds it four leases."""
        told = {
            f"GANFORGE_COORDINATOR_{name.upper()}": str(value) for name, value in vars(self).items()
        }
        return {**told, "GIL_HOLD_SECONDS": str(int(4 * self.lease_seconds))}


TENTH = Pace(3.0, 0.5, 3.0, 0.2)
"""Every wait of a fault is a tenth of what it stands for."""

FULL = Pace(30.0, 10.0, 15.0, 1.0)
"""The defaults, that people run."""


class Ground:
    """The whole system, with a proxy before the coordinator and, for PostgreSQL, one behind it.

    Args:
        system: the processes.
        proxy: between the agents and the coordinator.
        database_proxy: between the coordinator and PostgreSQL.
        pace: how long its leases live.
        database_url: the coordinator's database, without the proxy.
        postgres_server: the server of that.
        counts_attempts: whether an attempt that is lost for no reason is a breach; not on a
            machine so busy that nobody may beat for a lease.
    """

    def __init__(
        self,
        system: System,
        proxy: Proxy,
        *,
        pace: Pace,
        database_url: str,
        database_proxy: Proxy | None = None,
        postgres_server: PostgresServer | None = None,
        counts_attempts: bool = True,
    ) -> None:
        self.system = system
        self.proxy = proxy
        self.lease_seconds = pace.lease_seconds
        self.database_proxy = database_proxy
        self.database_url = database_url
        self.postgres_server = postgres_server
        self.counts_attempts = counts_attempts

    @property
    def is_sqlite(self) -> bool:
        """Whether the coordinator's database is SQLite."""
        return self.database_url.startswith("sqlite")

    @property
    def sqlite_file(self) -> Path:
        """The coordinator's database on SQLite."""
        return Path(self.database_url.removeprefix("sqlite:///"))

    def begin(self, **config: object) -> str:
        """Submit a job, and wait until it has begun."""
        job_id = self.submit(**config)
        self.system.until_iteration(job_id, 60)
        return job_id

    def submit(self, **config: object) -> str:
        """Submit a job on the digits that lasts until it is stopped."""
        usual = {"strategy": STEADY, "batchSize": 16, "seed": 7, "storeInterval": 50}
        job = LearnJob(
            networks=["DigitsGenerator", "DigitsDiscriminator"],
            dataset="digits",
            config={**usual, **config},
        )
        return self.system.coordinator.submit(job).id

    def job(self, job_id: str) -> Job | None:
        """Show a job; None while the coordinator does not answer."""
        try:
            return self.system.job(job_id)
        except GanforgeError:
            return None

    def until_it_goes_on(self, job_id: str, *, attempts: int = 1) -> float:
        """Wait until the job gets on, in its ``attempts``-th attempt or a later one.

        Returns:
            The seconds that took.
        """
        began = time.monotonic()
        before: Job | None = None

        def goes_on() -> bool:
            nonlocal before
            now = self.job(job_id)
            if now is None or len(now.attempts) < attempts or now.state is not JobState.RUNNING:
                return False
            if before is None:
                before = now
            return now.iteration != before.iteration

        self.system.until(goes_on, f"{job_id} goes on")
        return time.monotonic() - began

    def finish(self, job_id: str) -> Job:
        """Stop the job, wait until it is over, and check that no point is missing or double."""
        self.system.until(lambda: self._stopped(job_id), f"{job_id} is told to stop")
        done = self.system.until_state(
            job_id, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED
        )
        assert done.state is JobState.SUCCEEDED, done.error
        points = self.system.coordinator.progress(job_id, max_points=100_000)
        assert points.iterations == list(range(done.iteration)), "a point is missing or double"
        epochs = [attempt.epoch for attempt in done.attempts]
        assert epochs == sorted(set(epochs)), f"epochs do not grow: {epochs}"
        if done.attempts[-1].state == "SUCCEEDED":  # else it was lost while it stopped
            versions = list(self.system.repository.versions("DigitsGenerator", done.tag))
            assert versions[0].iteration == done.iteration, "the last weights are not the job's"
        return done

    def _stopped(self, job_id: str) -> bool:
        try:
            self.system.coordinator.steer(job_id, JobAction.STOP)
        except GanforgeError:
            return False
        return True

    def shift_clock(self, milliseconds: int) -> None:
        """Let the database's clock jump: every time it has kept is now that much farther away."""
        with self.database() as database, database.write() as connection:
            for table in metadata.sorted_tables:
                columns = [c for c in table.c if c.name.endswith("_ms") and not _is_length(c.name)]
                if columns:
                    values = {column.name: column - milliseconds for column in columns}
                    connection.execute(update(table).values(values))

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Open the coordinator's database from this process, past the proxy."""
        database = Database(self.database_url)
        try:
            yield database
        finally:
            database.close()


def _is_length(name: str) -> bool:
    """Tell a length of time from a moment."""
    return name in ("lease_ttl_ms", "stall_ms")


@contextmanager
def ready(
    folder: Path, database: str, *, pace: Pace = TENTH, counts_attempts: bool = True
) -> Iterator[Ground]:
    """Run the whole system until the block ends; a learner is there."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        port = free_port()
        proxy = stack.enter_context(proxied(("127.0.0.1", port)))
        database_proxy = server = None
        url = reached = f"sqlite:///{folder / 'coordinator.db'}"
        if database == "postgresql":
            server = stack.enter_context(postgres.running())
            url = server.new_database()
            database_proxy = stack.enter_context(proxied(server.socket, http=False))
            reached = server.through(url, database_proxy.port)
        path = os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")])
        system = System(
            folder,
            coordinator_database=reached,
            coordinator_port=port,
            environment={
                "PYTHONPATH": path,
                "GANFORGE_COORDINATOR_URL": proxy.url,
                "GANFORGE_REPOSITORY_COORDINATOR_URL": f"http://127.0.0.1:{port}",
                **pace.environment(),
            },
        )
        stack.callback(system.stop)
        system.start("repository", "coordinator", "learner")
        system.until_a_learner_is_there()
        yield Ground(
            system,
            proxy,
            pace=pace,
            database_url=url,
            database_proxy=database_proxy,
            postgres_server=server,
            counts_attempts=counts_attempts,
        )
