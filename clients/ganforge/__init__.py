"""The ganforge client library: the public contract, its errors, and the clients."""

__version__ = "0.1.0"

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganforge.client import Client
    from ganforge.errors import GanforgeError
    from ganforge.jobs import JobFailed
    from ganforge.wire.jobs import Job, JobState
    from ganforge.wire.progress import LearnProgress

__all__ = [
    "Client",
    "GanforgeError",
    "Job",
    "JobFailed",
    "JobState",
    "LearnProgress",
    "__version__",
]

# Looked up when first asked for, so that the command line answers at once.
_HOMES = {
    "Client": "ganforge.client",
    "GanforgeError": "ganforge.errors",
    "Job": "ganforge.wire.jobs",
    "JobFailed": "ganforge.jobs",
    "JobState": "ganforge.wire.jobs",
    "LearnProgress": "ganforge.wire.progress",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganforge' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
