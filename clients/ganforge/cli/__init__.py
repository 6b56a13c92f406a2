"""The ``ganforge`` command."""

import sys
from importlib.util import find_spec

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    if find_spec("click") is None or find_spec("rich") is None:
        print(
            "error: the command line needs click and rich: pip install 'ganforge[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    from ganforge.cli.application import run

    sys.exit(run(sys.argv[1:]))
