"""One error tree, the same class on both sides of the wire.

::

    GanforgeError
    ├── BadInput                 422  the request is understood and wrong
    │   ├── UnknownName               no such network, dataset, strategy or config key
    │   ├── NetworkMisfit             networks that do not fit each other or the dataset
    │   └── BadWeights                a safetensors file that is broken, hostile or does not fit
    ├── NotAuthenticated         401  no token, or one nobody knows
    ├── NotAllowed               403  the token's role does not reach this far
    ├── NotFound                 404  no such job, network, tag or version
    ├── Conflict                 409
    │   ├── InvalidState              the job's state does not allow this
    │   ├── LeaseLost                 the lease is gone: drop everything of this attempt
    │   ├── StaleEpoch                a newer epoch is open: drop everything of this attempt
    │   ├── SequenceGap               progress arrived out of order: rewind
    │   ├── StillRunning              the same request is being answered: ask again
    │   └── IdempotencyKeyReused      the same key came with another body
    ├── PreconditionFailed       412  it has changed since you looked: look again
    ├── PreconditionRequired     428  say with If-Match what you believe it to be
    ├── TooLarge                 413  more bytes than the server takes
    ├── ServerFailed             5xx  a bug or an outage on the server: try again, then report
    ├── Unreachable               -   nobody answered
    └── Diverged                  -   a loss is NaN or infinite

At the HTTP edge an error becomes a problem document (RFC 9457) whose ``type`` is
``/problems/<slug>``; the client turns it back into the same class.
"""

from typing import Any, ClassVar


class GanforgeError(Exception):
    """Something went wrong that a caller can act on.

    Args:
        detail: one sentence that says what is wrong and what to do.
        members: extension members of the problem document (RFC 9457, section 3.2); JSON values.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class BadInput(GanforgeError):
    """The request is understood and wrong: correct it and send it again."""

    status = 422
    slug = "bad-input"
    title = "Bad input"


class UnknownName(BadInput):
    """A network, dataset, strategy or config key nobody knows; ``known`` lists what there is."""

    slug = "unknown-name"
    title = "Unknown name"


class NetworkMisfit(BadInput):
    """Networks that do not fit each other, the config or the dataset: change one of them."""

    slug = "network-misfit"
    title = "Networks do not fit"


class BadWeights(BadInput):
    """A weights file that is broken, hostile or does not fit its network: nothing was kept."""

    slug = "bad-weights"
    title = "Weights refused"


class NotAuthenticated(GanforgeError):
    """No token, or one nobody knows: set ``GANFORGE_TOKEN``."""

    status = 401
    slug = "not-authenticated"
    title = "Not authenticated"


class NotAllowed(GanforgeError):
    """The token's role does not reach this far: ask for another token."""

    status = 403
    slug = "not-allowed"
    title = "Not allowed"


class NotFound(GanforgeError):
    """There is no such thing: list what there is."""

    status = 404
    slug = "not-found"
    title = "Not found"


class Conflict(GanforgeError):
    """The request does not fit the present state: look at it again."""

    status = 409
    slug = "conflict"
    title = "Conflict"


class InvalidState(Conflict):
    """The job's state does not allow this; ``allowed`` lists what it does allow."""

    slug = "invalid-state"
    title = "Not in this state"


class LeaseLost(Conflict):
    """The lease is gone: stop, drop everything of this attempt, claim anew."""

    slug = "lease-lost"
    title = "Lease lost"


class StaleEpoch(Conflict):
    """A newer epoch is open: stop, drop everything of this attempt, claim anew."""

    slug = "stale-epoch"
    title = "Stale epoch"


class SequenceGap(Conflict):
    """Progress arrived out of order: send again from ``expectedSeq``."""

    slug = "sequence-gap"
    title = "Sequence gap"


class StillRunning(Conflict):
    """The same request, by its Idempotency-Key, is being answered: ask again in a second."""

    slug = "still-running"
    title = "Still running"


class IdempotencyKeyReused(Conflict):
    """The same Idempotency-Key came with another body: take a new key."""

    status = 422
    slug = "idempotency-key-reused"
    title = "Idempotency-Key reused"


class PreconditionFailed(GanforgeError):
    """It is not, or not any more, what If-Match or If-None-Match says: look at it again."""

    status = 412
    slug = "precondition-failed"
    title = "Precondition failed"


class PreconditionRequired(GanforgeError):
    """A change needs If-Match, so that nobody's change is overwritten unseen: look at it first."""

    status = 428
    slug = "precondition-required"
    title = "Precondition required"


class TooLarge(GanforgeError):
    """More bytes than the server takes: send less."""

    status = 413
    slug = "too-large"
    title = "Too large"


class ServerFailed(GanforgeError):
    """A bug or an outage on the server: try again, then report it."""

    status = 500
    slug = "server-failed"
    title = "Server failed"


class Unreachable(GanforgeError):
    """Nobody answered at the server's address: is it running, is the address right?"""

    status = 503
    slug = "unreachable"
    title = "Unreachable"


class Diverged(GanforgeError):
    """A loss is NaN or infinite: lower the learning rate; the last good snapshot is kept."""

    slug = "diverged"
    title = "Training diverged"


def _subclasses(cls: type[GanforgeError]) -> list[type[GanforgeError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in _subclasses(sub))]


BY_SLUG: dict[str, type[GanforgeError]] = {cls.slug: cls for cls in _subclasses(GanforgeError)}
"""Every class of the tree by the last part of its problem ``type``."""
