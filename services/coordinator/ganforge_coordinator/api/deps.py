"""What the endpoints share: the service's parts, roles, waiting."""

import asyncio
import re
import threading
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Header, HTTPException, Path, Request
from starlette.concurrency import run_in_threadpool

from ganforge.errors import NotAllowed
from ganforge.repository import RepositoryClient
from ganforge.wire.tokens import Role
from ganforge_chassis.database import Database
from ganforge_chassis.group_writer import GroupWriter
from ganforge_chassis.tokens import Caller, Tokens, require
from ganforge_coordinator.api.queue_look import QueueLook
from ganforge_coordinator.idempotency import InHand
from ganforge_coordinator.owners import Owners, Settled
from ganforge_coordinator.settings import CoordinatorSettings
from ganforge_coordinator.signals import Signals
from ganforge_coordinator.tally import Tally

MAX_WAIT_SECONDS = 25.0
RECHECK_SECONDS = 2.0
"""How long a claim trusts silence: a job's rest may end, or another coordinator queue one."""


CHARTS_AT_ONCE = 2

_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?(\d{1,9}(?:\.\d+)?)\"?\s*(?:[;,]|$)", re.IGNORECASE)
_KEY = r"""^(?:[!#-~](?:[ -~]{0,253}[!-~])?|"(?:[ !#-\[\]-~]|\\["\\]){1,253}")$"""
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|\\["\\])*"')


class Service:
    """The parts of a running coordinator."""

    def __init__(
        self,
        settings: CoordinatorSettings,
        database: Database,
        tokens: Tokens,
        repository: RepositoryClient | None,
    ) -> None:
        self.settings = settings
        self.tokens = tokens
        self.database = database
        self.signals = Signals()
        self.tally = Tally()
        self.repository = repository
        self.stopping = threading.Event()
        # A chart of a million points takes some 50 MB while it is thinned out.
        self.charts = CapacityLimiter(CHARTS_AT_ONCE)
        self.queue = QueueLook(database)
        self.claiming = asyncio.Lock()
        self.in_hand = InHand()
        self.owners = Owners(database)
        self.writer = GroupWriter(database)


# Not ``def``: FastAPI would send each of these to a thread and wait for it, on every request.
async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def read_wait(prefer: Annotated[str | None, Header()] = None) -> float:
    """Read ``Prefer: wait=N`` (RFC 7240, section 4.3), in seconds; 0 when it is not there."""
    # What is not understood is passed over, as section 2 wants it.
    wish = _WAIT.search(prefer or "")
    return min(float(wish.group(1)), MAX_WAIT_SECONDS) if wish else 0.0


async def _idempotency_key(
    idempotency_key: Annotated[
        str | None,
        Header(
            description="a name of your choice for this request: sent again under it within a "
            "day, the request is answered as before and nothing is done twice",
            examples=["0f9c2f5e-0d5b-4c36-8f0e-5f6b4a3a6f0e"],
            # Told, not checked: what is wrong with a key is 400, as the draft wants it.
            json_schema_extra={"pattern": _KEY},
        ),
    ] = None,
) -> str | None:
    """Read an Idempotency-Key: a string of RFC 8941, section 3.3.3, or the same without quotes.

    Raises:
        HTTPException: it is neither, or has no or more than 255 characters: 400.
    """
    if idempotency_key is None:
        return None
    key = idempotency_key.strip()
    if _QUOTED.fullmatch(key):
        key = re.sub(r"\\(.)", r"\1", key[1:-1])
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise HTTPException(400, "Idempotency-Key: 1 to 255 characters of ASCII, no control ones")
    return key


Parts = Annotated[Service, Depends(_service)]
WaitSeconds = Annotated[float, Depends(read_wait)]
JobId = Annotated[str, Path(max_length=64, description="the job's id", examples=["4xh2k9d0qz7m"])]
AttemptId = Annotated[str, Path(max_length=36, description="the attempt's id, from the claim")]

IdempotencyKey = Annotated[str | None, Depends(_idempotency_key)]
IfMatch = Annotated[
    str | None,
    Header(description="the ETag it must have now; `*` is any", examples=["*"]),
]
IfMatchUntold = Annotated[str | None, Header(alias="If-Match", include_in_schema=False)]
IF_MATCH_REQUIRED = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "examples": ["*"]},
    "description": "the ETag it must have now; `*` is any",
}

READER = Depends(require(Role.READ))
SUBMITTER = Depends(require(Role.SUBMIT))
LEARNER = Depends(require(Role.LEARNER))
ADMIN = Depends(require(Role.ADMIN))
Submitter = Annotated[Caller, SUBMITTER]
LearnerCaller = Annotated[Caller, LEARNER]


async def _own_learner(learner_id: str, caller: LearnerCaller, parts: Parts) -> None:
    """Let nobody act for another's learner.

    Raises:
        NotAllowed: it registered with a token of somebody else.
    """
    if caller.role is not Role.ADMIN:
        _require_own(await run_in_threadpool(parts.owners.of_learner, learner_id), caller)


async def own_attempt(attempt_id: AttemptId, caller: LearnerCaller, parts: Parts) -> None:
    """Let nobody write for another's attempt; of one that is unknown the use-case tells.

    Raises:
        NotAllowed: none of its learners registered with a token of the caller's.
    """
    if caller.role is not Role.ADMIN and (settled := await settled_of(parts, attempt_id)):
        _require_own(settled.principals, caller)


async def settled_of(parts: Service, attempt_id: str) -> Settled | None:
    """Tell whose an attempt is and which job's; None when there is no such attempt."""
    settled = parts.owners.remembered(attempt_id)
    return settled or await run_in_threadpool(parts.owners.of_attempt, attempt_id)


def _require_own(owners: frozenset[str | None], caller: Caller) -> None:
    if owners and not owners & {caller.principal, None}:
        raise NotAllowed(f"this belongs to another learner than {caller.principal!r}'s")


OWN_LEARNER = Depends(_own_learner)
OWN_ATTEMPT = Depends(own_attempt)
