"""The first step of the evaluator's process; the agent can name it without importing torch."""

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def start(pipe: "Connection[Any, Any]", data: Path) -> None:
    """Import everything, then answer what the agent asks."""
    from ganforge_learner.quality import evaluator

    evaluator.main(pipe, data)
