"""The log of a service: one line each to stderr, its facts behind the message."""

import logging
import sys

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_REPEATED = {"color_message"}  # uvicorn's message once more, with colours


class Facts(logging.Formatter):
    """Writes what was passed as ``extra`` behind the message, as ``key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        line, newline, trace = super().format(record).partition("\n")
        facts = "".join(
            f" {name}={value}"
            for name, value in vars(record).items()
            if name not in _PLAIN | _REPEATED
        )
        return f"{line}{facts}{newline}{trace}"


def configure(level: int = logging.INFO) -> None:
    """Send the log of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Facts("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # One line per request is the access log's business.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # Every start looks whether the schema is up to date; that it is, is no news.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)
