"""Answers that tell of a job: with a strong ETag, and repeated for a request that comes twice."""

import hashlib
from contextlib import AbstractContextManager, nullcontext

from fastapi import Response
from sqlalchemy import Connection

from ganforge_chassis.tokens import Caller
from ganforge_coordinator import idempotency, ledger, views
from ganforge_coordinator.api.deps import Service
from ganforge_coordinator.idempotency import Answer


def told(
    connection: Connection, job_id: str, parts: Service, *, status: int = 200, **headers: str
) -> Answer:
    """Tell of a job, with a strong ETag (RFC 9110, 8.8.3): another one whenever a byte changes."""
    row = ledger.find(connection, job_id)
    job = views.job(connection, row, parts.settings.repository_public_url)
    body = job.model_dump_json(by_alias=True).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Answer(body, status, {"ETag": etag, **headers})


def sent(answer: Answer) -> Response:
    """Send an answer as it is."""
    return Response(answer.body, answer.status, answer.headers, media_type="application/json")


class Once:
    """A request that is answered once, and then in the same words; each time without a key.

    Args:
        parts: the service's.
        caller: who asks; others may use the same key for something else.
        key: the Idempotency-Key, if there is one.
        said: what the request says; the key holds for this alone.
    """

    def __init__(self, parts: Service, caller: Caller, key: str | None, *, said: bytes) -> None:
        self._parts = parts
        self._request = None if key is None else idempotency.Request(caller.principal, key, said)

    def alone(self) -> AbstractContextManager[None]:
        """Refuse the same request elsewhere in this process until the block ends."""
        return nullcontext() if self._request is None else self._parts.in_hand.alone(self._request)

    def recall(self, connection: Connection) -> Answer | None:
        """Give the answer of the time before; None when there was none."""
        return None if self._request is None else idempotency.recall(connection, self._request)

    def keep(self, connection: Connection, answer: Answer) -> None:
        """Keep the answer for the next time."""
        if self._request is not None:
            idempotency.keep(connection, self._request, answer)
