"""The whole system as processes, started by the commands people use."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.repository import RepositoryClient
from ganforge.tokens import Tokens
from ganforge.wire.jobs import Job, JobState

TOKEN = "gf_system_admin_token_0123456789"
LEARNER_TOKEN = "gf_system_learner_token_0123456789"
PATIENCE_SECONDS = 300.0
LOOK_SECONDS = 0.05


def free_port() -> int:
    """Find a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(true: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something another process does has happened."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(LOOK_SECONDS)


class System:
    """Coordinator, repository and learner, each a process that can be killed and started again.

    Args:
        folder: where everything is kept.
        coordinator_database: an SQLAlchemy URL; SQLite in the folder when not given.
        repository_database: likewise.
        coordinator_port: a free one when not given.
        environment: further settings for every process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        coordinator_database: str | None = None,
        repository_database: str | None = None,
        coordinator_port: int | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._ports = {"coordinator": coordinator_port or free_port(), "repository": free_port()}
        self.coordinator_url = f"http://127.0.0.1:{self._ports['coordinator']}"
        self.repository_url = f"http://127.0.0.1:{self._ports['repository']}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._began: dict[str, int] = {}  # where in the log the latest process of a name begins
        self._environment = {
            "GANFORGE_TOKENS": f"admin:{TOKEN},learner:{LEARNER_TOKEN}",
            "GANFORGE_COORDINATOR_REPOSITORY_URL": self.repository_url,
            "GANFORGE_COORDINATOR_REPOSITORY_TOKEN": TOKEN,
            "GANFORGE_COORDINATOR_LEASE_SECONDS": "3",
            "GANFORGE_COORDINATOR_HEARTBEAT_SECONDS": "0.5",
            "GANFORGE_COORDINATOR_REAP_SECONDS": "0.2",
            "GANFORGE_COORDINATOR_URL": self.coordinator_url,
            "GANFORGE_REPOSITORY_URL": self.repository_url,
            "GANFORGE_TOKEN": LEARNER_TOKEN,
            **(environment or {}),
        }
        if coordinator_database is not None:
            self._environment["GANFORGE_COORDINATOR_DATABASE_URL"] = coordinator_database
        if repository_database is not None:
            self._environment["GANFORGE_REPOSITORY_DATABASE_URL"] = repository_database
        self._transports = [
            Transport(url, TOKEN) for url in (self.coordinator_url, self.repository_url)
        ]
        self.coordinator = CoordinatorClient(self._transports[0])
        self.tokens = Tokens(self._transports[0])
        self.repository = RepositoryClient(self._transports[1])

    def port(self, name: str) -> int:
        """Give the port a server listens on; 0 for the learner, which listens nowhere."""
        return self._ports.get(name, 0)

    def start(self, *names: str, environment: dict[str, str] | None = None) -> None:
        """Start processes and wait until the servers among them answer.

        ``learner-2`` and the like are further learners; ``environment`` goes before the settings
        of all.
        """
        for name in names:
            command = name.partition("-")[0]
            words = [command, "--data", str(self.folder / name)]
            words += ["--port", str(self.port(name))] if self.port(name) else []
            words += ["--name", f"the-{name}"] if command == "learner" else []
            self.spawn(name, words=words, environment={**self._environment, **(environment or {})})
        for name in names:
            self.until_ready(name)

    def spawn(self, name: str, *, words: list[str], environment: dict[str, str]) -> None:
        """Start one process with ``ganforge``'s command line and settings given."""
        command = [sys.executable, "-m", "ganforge", *words]
        inherited = {key: os.environ[key] for key in os.environ if not key.startswith("GANFORGE_")}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._began[name] = log.tell()
            self._processes[name] = subprocess.Popen(
                command, env={**inherited, **environment}, stdout=log, stderr=log
            )

    def until_ready(self, name: str) -> None:
        """Wait until a server answers; a learner answers nobody and is not waited for."""
        if name in self._ports:
            until(lambda: self._answers(name), f"{name} answers")

    def _answers(self, name: str) -> bool:
        assert self._processes[name].poll() is None, self.log(name)
        try:
            url = f"http://127.0.0.1:{self._ports[name]}/readyz"
            return httpx.get(url).status_code == 200
        except httpx.TransportError:
            return False

    def pid(self, name: str) -> int:
        """Give a process's id."""
        return self._processes[name].pid

    def kill(self, name: str) -> None:
        """Kill -9 a process; ``trainer`` names the learner's child."""
        if name == "trainer":
            psutil.Process(self.trainer_pid()).kill()
            return
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def trainer_pid(self) -> int:
        """Find the process that trains: the learner's child that has imported most; 0 if none."""
        children = psutil.Process(self._processes["learner"].pid).children()
        alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
        return max(alive, key=lambda child: child.memory_info().rss).pid if alive else 0

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a process."""
        self._processes[name].send_signal(number)

    def wait_for_exit(self, name: str) -> int:
        """Wait until a process has ended, and give its exit code."""
        return self._processes.pop(name).wait(PATIENCE_SECONDS)

    def stop(self) -> None:
        """End everything, kindly first."""
        for transport in self._transports:
            transport.close()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()

    def log(self, name: str) -> str:
        """Give what a process has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def latest_log(self, name: str) -> str:
        """Give what the process that was last started under a name has printed."""
        return (self.folder / f"{name}.log").read_bytes()[self._began[name] :].decode()

    def job(self, job_id: str) -> Job:
        """Show a job."""
        return self.coordinator.job(job_id)

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait until something has happened; when it does not, tell what everybody has printed."""
        try:
            until(true, what)
        except AssertionError as error:
            logs = "".join(f"\n--- {name}\n{self.log(name)[-3000:]}" for name in self._processes)
            raise AssertionError(f"{error}{logs}") from error

    def until_iteration(self, job_id: str, iteration: int) -> None:
        """Wait until a job has done so many iterations."""
        self.until(lambda: self.job(job_id).iteration >= iteration, f"{job_id} at {iteration}")

    def until_state(self, job_id: str, *states: JobState) -> Job:
        """Wait until a job is in one of ``states``."""
        self.until(lambda: self.job(job_id).state in states, f"{job_id} is {states}")
        return self.job(job_id)

    def until_it_takes_jobs(self, name: str) -> None:
        """Wait until the learner that was last started under a name takes jobs."""
        self.until(lambda: "ready for jobs" in self.latest_log(name), f"{name} takes jobs")

    def until_a_learner_is_there(self) -> None:
        """Wait until a learner has registered and can be given work."""
        self.until(
            lambda: any(learner.is_alive for learner in self.coordinator.learners()),
            "a learner has registered",
        )


@contextmanager
def running(folder: Path, **options: object) -> Iterator[System]:
    """Run the whole system until the block ends."""
    system = System(folder, **options)  # type: ignore[arg-type]
    try:
        system.start("repository", "coordinator", "learner")
        yield system
    finally:
        system.stop()
