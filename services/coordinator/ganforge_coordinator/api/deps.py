"""What the endpoints share: the service's parts, roles, waiting."""

import threading
from typing import Annotated

from fastapi import Depends, Header, Path, Request

from ganforge.errors import BadInput
from ganforge.repository import RepositoryClient
from ganforge_chassis.database import Database
from ganforge_chassis.tokens import Role, require
from ganforge_coordinator.settings import CoordinatorSettings
from ganforge_coordinator.signals import Signals

MAX_WAIT_SECONDS = 25.0
RECHECK_SECONDS = 2.0
"""How long a claim trusts silence: a job's rest may end, or another coordinator queue one."""


CHARTS_AT_ONCE = 2


class Service:
    """The parts of a running coordinator."""

    def __init__(
        self, settings: CoordinatorSettings, database: Database, repository: RepositoryClient | None
    ) -> None:
        self.settings = settings
        self.database = database
        self.signals = Signals()
        self.repository = repository
        self.stopping = threading.Event()
        # A chart of a million points takes some 50 MB while it is thinned out.
        self.charts = threading.Semaphore(CHARTS_AT_ONCE)


# Not ``def``: FastAPI would send each of these to a thread and wait for it, on every request.
async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _wait_seconds(prefer: Annotated[str | None, Header()] = None) -> float:
    """Read ``Prefer: wait=N`` (RFC 7240, section 4.3), in seconds; 0 when it is not there."""
    for preference in (prefer or "").split(","):
        name, _, value = preference.partition("=")
        if name.strip().lower() == "wait":
            try:
                return max(0.0, min(float(value), MAX_WAIT_SECONDS))
            except ValueError:
                raise BadInput("Prefer: wait takes seconds, as in wait=25") from None
    return 0.0


Parts = Annotated[Service, Depends(_service)]
WaitSeconds = Annotated[float, Depends(_wait_seconds)]
JobId = Annotated[str, Path(max_length=64, description="the job's id")]
AttemptId = Annotated[str, Path(max_length=36, description="the attempt's id, from the claim")]

READER = Depends(require(Role.READ))
SUBMITTER = Depends(require(Role.SUBMIT))
LEARNER = Depends(require(Role.LEARNER))
ADMIN = Depends(require(Role.ADMIN))
