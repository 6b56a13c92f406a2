"""Coordinators as processes on one database, to be killed and started again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ganforge_chassis.database import Database
from tests.support.system import TOKEN, free_port, until

LEASE_SECONDS = 1.0
"""The shortest lease there is: 30 s of the default in one."""

SETTINGS = {
    "GANFORGE_TOKENS": f"admin:{TOKEN}",
    "GANFORGE_COORDINATOR_LEASE_SECONDS": str(LEASE_SECONDS),
    "GANFORGE_COORDINATOR_ACKNOWLEDGE_SECONDS": str(LEASE_SECONDS),
    "GANFORGE_COORDINATOR_REAP_SECONDS": "0.1",
}


class Coordinators:
    """Some coordinators on one database.

    Args:
        folder: for their logs.
        database_url: their database.
        count: how many; one on SQLite.
        settings: environment variables, instead of ``SETTINGS``.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        *,
        count: int = 1,
        settings: dict[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._database_url = database_url
        self._settings = SETTINGS if settings is None else settings
        self._ports = [free_port() for _ in range(count)]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.urls = [f"http://127.0.0.1:{port}" for port in self._ports]

    def start(self, which: int) -> None:
        """Start one, without waiting for it."""
        command = [sys.executable, "-m", "ganforge", "coordinator"]
        command += ["--port", str(self._ports[which]), "--data", str(self._folder)]
        command += ["--database-url", self._database_url]
        inherited = {key: os.environ[key] for key in os.environ if not key.startswith("GANFORGE_")}
        with (self._folder / f"coordinator-{which}.log").open("ab") as log:
            self._processes[which] = subprocess.Popen(
                command, env={**inherited, **self._settings}, stdout=log, stderr=log
            )

    def until_ready(self, which: int) -> None:
        """Wait until one answers."""
        until(lambda: self._answers(which), f"coordinator {which} answers; {self.log(which)}")

    def _answers(self, which: int) -> bool:
        assert self._processes[which].poll() is None, self.log(which)
        try:
            return httpx.get(f"{self.urls[which]}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self, which: int) -> None:
        """Kill -9 one."""
        process = self._processes.pop(which)
        process.kill()
        process.wait()

    def pid(self, which: int) -> int:
        """Give the process id of one."""
        return self._processes[which].pid

    def log(self, which: int) -> str:
        """Give the last that one has printed."""
        return (self._folder / f"coordinator-{which}.log").read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        """End all, kindly first."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Open the database from this process."""
        database = Database(self._database_url)
        try:
            yield database
        finally:
            database.close()


@contextmanager
def running(
    folder: Path,
    database_url: str,
    *,
    count: int = 1,
    settings: dict[str, str] | None = None,
) -> Iterator[Coordinators]:
    """Run coordinators until the block ends."""
    coordinators = Coordinators(folder, database_url, count=count, settings=settings)
    try:
        for which in range(count):
            coordinators.start(which)
            coordinators.until_ready(which)
        yield coordinators
    finally:
        coordinators.stop()
