"""Every call of a service as its description has it, and as it has not: schemathesis.

Serves the coordinator or the repository on SQLite or PostgreSQL, and lets schemathesis send it
examples, edge cases, random requests and sequences of calls along the description's links, with
every check it has. What is expected besides, and why, stands in ``schemathesis.toml``; what no
random request would hit upon, in ``fuzz/hits.py``. Streams of events are left out, since they never
end: their tests are in ``tests/coordinator/test_following.py``.

    python3 run.py bench schemathesis [--service repository] [--database postgresql]
        [--examples 700] [--short] [--phases fuzzing,stateful] [--seed N]
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from ganforge_coordinator.app import create_app as create_coordinator
from ganforge_coordinator.settings import CoordinatorSettings
from ganforge_repository.app import create_app as create_repository
from ganforge_repository.settings import RepositorySettings
from tests.coordinator.running import TOKENS, running
from tests.repository.conftest import Repository
from tests.repository.files import weights_of
from tests.support import postgres
from tests.support.served_app import served

CONFIG = Path(__file__).with_suffix(".toml")
EXAMPLES = 700
"""Random requests for each operation: with 40 operations and the edge cases over 20,000 cases."""

ROLES = ",".join(f"{role}:{token}" for role, token in TOKENS.items())


def main() -> int:
    """Run, and give schemathesis' exit code: 0 when it found nothing."""
    parser = argparse.ArgumentParser(description=__doc__, prog="bench schemathesis")
    parser.add_argument("--service", choices=SERVICES, default="coordinator")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="for each operation")
    parser.add_argument("--short", action="store_true", help="examples and edge cases alone")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database_url = f"sqlite:///{folder / 'service.db'}"
        if options.database == "postgresql":
            database_url = stack.enter_context(postgres.running()).new_database()
        url = stack.enter_context(SERVICES[options.service](folder, database_url))
        hooks = {"SCHEMATHESIS_HOOKS": "bench.fuzz.hits"}
        return subprocess.call(command(url, options), env={**os.environ, **hooks})


@contextmanager
def coordinator(folder: Path, database_url: str) -> Iterator[str]:
    """Serve a coordinator that has a learner and a job; gives its URL."""
    settings = CoordinatorSettings(data=folder, database_url=database_url, tokens=ROLES)
    with running(create_coordinator(settings)) as there:
        there.learner()
        there.submit()
        yield there.url


@contextmanager
def repository(folder: Path, database_url: str) -> Iterator[str]:
    """Serve a repository that has a version; gives its URL."""
    app = create_repository(
        RepositorySettings(data=folder, database_url=database_url, tokens=ROLES)
    )
    with served(app) as url, httpx.Client(base_url=url, timeout=60) as http:
        there = Repository(http, app.state.database, folder)
        there.client().push("Generator", "my-run", there.file(weights_of("Generator")))
        yield url
        there.close()


SERVICES = {"coordinator": coordinator, "repository": repository}


def command(url: str, options: argparse.Namespace) -> list[str]:
    """Give the command that sends the requests."""
    said = {
        "--header": f"Authorization: Bearer {TOKENS['admin']}",
        "--checks": "all",
        "--phases": "examples,coverage" if options.short else options.phases,
        "--max-examples": str(options.examples),
        "--seed": str(options.seed),
        "--exclude-path-regex": "/events$",
        # Whatever else the machine has to do: time is measured elsewhere.
        "--request-timeout": "120",
        "--max-response-time": "120",
    }
    words = [word for pair in said.items() for word in pair]
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    return [*program, *words, "--continue-on-failure", "--no-color", f"{url}/openapi.json"]


if __name__ == "__main__":
    sys.exit(main())
