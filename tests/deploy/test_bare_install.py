"""Each role installs with what it needs and no more, in an environment of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.e2e


class Environment:
    """A fresh virtual environment."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        self.bin = folder / "bin"

    def install(self, extras: str) -> None:
        """Install ganforge as a user does, with the committed constraints."""
        words = ["install", "--quiet", "--no-compile", "--constraint", "constraints.txt"]
        command = [str(self.bin / "python"), "-m", "pip", *words, f".{extras}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs, away from the source tree."""
        command = [str(self.bin / words[0]), *words[1:]]
        return subprocess.run(command, cwd=self.bin, capture_output=True, text=True)

    def has(self, module: str) -> bool:
        """Tell whether a module can be imported."""
        return self.run("python", "-c", f"import {module}").returncode == 0


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("bare") / "venv")


def test_the_client_needs_httpx_and_pydantic_and_the_services_no_torch(
    environment: Environment, tmp_path: Path
) -> None:
    environment.install("")
    assert environment.run("python", "-c", "from ganforge import Client").returncode == 0
    assert not environment.has("fastapi")
    assert not environment.has("click")
    told = environment.run("ganforge", "jobs", "list")
    assert told.returncode != 0
    assert "pip install 'ganforge[cli]'" in told.stderr
    assert "Traceback" not in told.stderr

    environment.install("[coordinator,repository]")
    assert not environment.has("torch")
    assert not environment.has("safetensors")
    for service in ("coordinator", "repository"):
        assert answers(environment, service, tmp_path)
    told = environment.run("ganforge", "learner")
    assert told.returncode != 0
    assert "pip install 'ganforge[learner]'" in told.stderr


def answers(environment: Environment, service: str, data: Path) -> bool:
    """Start a service from the installed wheel and tell whether it says it is ready."""
    command = [str(environment.bin / "ganforge"), service, "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, cwd=data, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if " at http://" in line:
                    url = line.split()[-1]
                    asked = (
                        "import httpx, sys; "
                        f"asked = (httpx.get('{url}/readyz') for _ in range(60)); "
                        "sys.exit(not any(answer.is_success for answer in asked))"
                    )
                    return environment.run("python", "-c", asked).returncode == 0
            return False
        finally:
            process.terminate()
