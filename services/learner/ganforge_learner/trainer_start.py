"""The first step of the trainer's process; the agent can name it without importing torch."""

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def start(
    pipe: "Connection[Any, Any]",
    device: str,
    threads: int,
    data: Path,
    dataset_bytes: int | None,
) -> None:
    """Import everything, then train what the agent sends."""
    from ganforge_learner import trainer

    trainer.main(pipe, device, threads, data, dataset_bytes)
