"""A local server, a client of it, a learner that plays, and the command line."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ganforge import Client
from ganforge.cli.application import run
from ganforge_local.server import LocalServer
from tests.local.serving import PlayedLearner, local_server


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting from outside, and a folder of one's own."""
    for name in ("URL", "COORDINATOR_URL", "REPOSITORY_URL", "TOKEN", "DATA", "TOKENS"):
        monkeypatch.delenv(f"GANFORGE_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute with one thread: small samples want no more, least of all on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    with local_server(tmp_path / "ganforge-data") as server:
        yield server


@pytest.fixture
def client(server: LocalServer) -> Iterator[Client]:
    with Client(server.url, token=server.token) as client:
        yield client


@pytest.fixture
def learner(server: LocalServer) -> Iterator[PlayedLearner]:
    learner = PlayedLearner(server)
    yield learner
    learner.close()


@dataclass
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class CommandLine:
    """Runs ``ganforge`` in the test's process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Ran:
        self._capsys.readouterr()
        code = run(words)
        captured = self._capsys.readouterr()
        return Ran(code, captured.out, captured.err)


@pytest.fixture
def anywhere(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line, with no server told."""
    return CommandLine(capsys)


@pytest.fixture
def ganforge(
    anywhere: CommandLine, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line as it is used beside ``ganforge up``: the token lies in ./ganforge-data."""
    monkeypatch.setenv("GANFORGE_URL", server.url)
    return anywhere
