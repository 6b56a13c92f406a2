"""Every call of the coordinator as its description has it, and as it has not: schemathesis.

Serves a coordinator on SQLite, or on PostgreSQL with ``--postgresql``, and lets schemathesis send
it examples, edge cases, random requests and sequences of calls, with every check it has. What is
expected besides, and why, stands in ``schemathesis.toml``. Streams of events are left out, since
they never end: their tests are in ``tests/coordinator/test_following.py``.

    python3 run.py bench schemathesis [--examples 700] [--short] [--postgresql] [--seed N]
"""

import argparse
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from ganforge_coordinator.app import create_app
from ganforge_coordinator.settings import CoordinatorSettings
from tests.coordinator.running import TOKENS, running
from tests.support import postgres

CONFIG = Path(__file__).with_suffix(".toml")
EXAMPLES = 700
"""Random requests for each operation: with 40 operations and the edge cases over 20,000 cases."""


def main() -> int:
    """Run, and give schemathesis' exit code: 0 when it found nothing."""
    parser = argparse.ArgumentParser(description=__doc__, prog="bench schemathesis")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="for each operation")
    parser.add_argument("--short", action="store_true", help="examples and edge cases alone")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database_url = f"sqlite:///{folder / 'coordinator.db'}"
        if options.postgresql:
            server = stack.enter_context(postgres.running())
            database_url = server.new_database()
        settings = CoordinatorSettings(
            data=folder,
            database_url=database_url,
            tokens=",".join(f"{role}:{token}" for role, token in TOKENS.items()),
        )
        coordinator = stack.enter_context(running(create_app(settings)))
        coordinator.learner()
        coordinator.submit()
        return subprocess.call(command(coordinator.url, options))


def command(url: str, options: argparse.Namespace) -> list[str]:
    """Give the command that sends the requests."""
    phases = "examples,coverage" if options.short else "examples,coverage,fuzzing,stateful"
    said = {
        "--header": f"Authorization: Bearer {TOKENS['admin']}",
        "--checks": "all",
        "--phases": phases,
        "--max-examples": str(options.examples),
        "--seed": str(options.seed),
        "--exclude-path-regex": "/events$",
        "--request-timeout": "120",
    }
    words = [word for pair in said.items() for word in pair]
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    return [*program, *words, "--continue-on-failure", "--no-color", f"{url}/openapi.json"]


if __name__ == "__main__":
    sys.exit(main())
