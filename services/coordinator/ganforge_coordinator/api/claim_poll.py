"""A claim that waits for a job: tried at once, and again whenever it may have an answer."""

from ganforge.wire.learning import Assignment, Claim
from ganforge_coordinator import assignment, dispatch, gang, roster, signals
from ganforge_coordinator.api.deps import Service


class ClaimPoll:
    """One claim of one learner; its calls reach the database and so belong into a thread.

    Args:
        parts: the service's.
        learner_id: who claims.
        claim: with its key.
    """

    def __init__(self, parts: Service, learner_id: str, claim: Claim) -> None:
        self._parts = parts
        self._learner_id = learner_id
        self._claim = claim
        self._ack_ms = int(parts.settings.acknowledge_seconds * 1000)
        self._wish: dispatch.Wish = {}
        self.may_be_chosen = False
        """Whether the learner may be given a job that it did not claim, together with others."""

    def try_once(self, wait_seconds: float) -> Assignment | None:
        """Claim; when there is nothing, the learner may be chosen for ``wait_seconds``."""
        with self._parts.database.write() as connection:
            told = dispatch.claim(
                connection,
                self._learner_id,
                self._claim.claim_key,
                ack_ms=self._ack_ms,
                wait_ms=int(wait_seconds * 1000),
                address=self._claim.address,
                began=self._parts.tally.began,
            )
        return told or self._form_gangs()

    def _form_gangs(self) -> Assignment | None:
        """Form the gangs there may be, now that one more learner waits."""
        with self._parts.database.read() as connection:
            learner = roster.find(connection, self._learner_id)
            self._wish = dispatch.wish_of(learner)
            self.may_be_chosen = bool(gang.sizes(learner))
            if not gang.is_worth_forming(connection, learner):
                return None
        with self._parts.database.write() as connection:
            job_ids = gang.form(connection, ack_ms=self._ack_ms, began=self._parts.tally.began)
            told = assignment.held(connection, self._learner_id, self._claim.claim_key)
        if job_ids:
            self._parts.signals.notify(signals.QUEUE, *map(signals.of_job, job_ids))
        return told

    def is_worth_trying(self) -> bool:
        """Tell, by reading alone, whether trying again would have an answer."""
        with self._parts.database.read() as connection:
            if not self.may_be_chosen:
                return dispatch.is_wished_for(connection, self._wish)
            return dispatch.is_worth_claiming(connection, self._learner_id, self._claim.claim_key)

    def give_up(self) -> Assignment | None:
        """End the wait; gives the assignment when the learner was chosen in the last moment."""
        with self._parts.database.read() as connection:
            if not gang.is_parked(connection, self._learner_id):
                return assignment.held(connection, self._learner_id, self._claim.claim_key)
        with self._parts.database.write() as connection:
            gang.unpark(connection, self._learner_id)
            return assignment.held(connection, self._learner_id, self._claim.claim_key)
