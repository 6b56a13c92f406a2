"""Holds a history of operations against what the database kept; linear in both.

It is a check of linearizability made for a lease: since every job's effects carry their epoch and
the number they were committed under, one walk over them does what a general search would do.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tests.chaos.commits import Entry, Ledger
from tests.chaos.history import Kind, Operation, Verdict

_HELD = ("STARTING", "RUNNING")
_EFFECTS = ("chunk", "snapshot", "collapse", "quality")
"""What only the holder of a lease may write."""

WRITES = (Kind.PUSH, Kind.NOTE, Kind.COMPLETE)
GONE = "lease-lost"


@dataclass(frozen=True)
class Found:
    """What a check found."""

    operations: int
    verdicts: Counter[str]
    epochs: int
    effects: int
    stale_refused: int  # writes of an epoch when a later one had been claimed
    violations: list[str]

    def __str__(self) -> str:
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))
        return (
            f"{self.operations} operations ({told}), {self.epochs} epochs, {self.effects} effects, "
            f"{self.stale_refused} stale writes refused, {len(self.violations)} violations"
        )


def check(history: Iterable[Operation], ledger: Ledger) -> Found:
    """Check that every promise was kept; gives each breach in a sentence."""
    operations = sorted(history, key=lambda operation: operation.invoked)
    violations = [
        *_check_commit_order(ledger),
        *_check_holders(operations, ledger),
        *_check_writes(operations, ledger),
        *_check_beats(operations, ledger),
        *_check_answers(operations),
    ]
    stale_refused, accepted_stale = _check_fences(operations)
    return Found(
        operations=len(operations),
        verdicts=Counter(str(operation.verdict) for operation in operations),
        epochs=len(ledger.attempts),
        effects=sum(map(len, ledger.entries.values())),
        stale_refused=stale_refused,
        violations=violations + accepted_stale,
    )


def _check_commit_order(ledger: Ledger) -> Iterable[str]:
    """In commit order epochs never fall, and what needs a lease comes while its epoch has one."""
    for job, last in ledger.last_numbers.items():
        entries = ledger.entries[job]
        if [entry.number for entry in entries] != list(range(1, last + 1)):
            yield f"{job}: its numbers have gaps or doubles"
        epoch, held = 0, False
        for entry in entries:
            if entry.epoch < epoch:
                yield f"{job}: {entry.type} {entry.number} of epoch {entry.epoch} after {epoch}"
            if entry.state == "STARTING" and not held and entry.epoch <= epoch:
                yield f"{job}: epoch {entry.epoch} was given out twice"
            if entry.type == "state":
                held = entry.state in _HELD
            elif entry.type in _EFFECTS and not (held and entry.epoch == epoch):
                yield f"{job}: {entry.type} {entry.number} of epoch {entry.epoch} without a lease"
            epoch = max(epoch, entry.epoch)
        yield from _check_pushes(job, entries)


def _check_pushes(job: str, entries: list[Entry]) -> Iterable[str]:
    """Of each epoch and rank the pushes are 0, 1, 2, ... in the order they were committed."""
    nexts: Counter[tuple[int, int]] = Counter()
    for entry in entries:
        if entry.type == "chunk":
            member = (entry.epoch, entry.rank)
            if entry.seq != nexts[member]:
                yield f"{job}: push {entry.seq} of {member} where {nexts[member]} was due"
            nexts[member] = entry.seq + 1


def _check_holders(operations: list[Operation], ledger: Ledger) -> Iterable[str]:
    """Each epoch of a job has one attempt, and one learner was told that it holds it."""
    epochs = Counter((attempt.job, attempt.epoch) for attempt in ledger.attempts.values())
    for (job, epoch), count in epochs.items():
        if count > 1:
            yield f"{job}: {count} attempts of epoch {epoch}"
    for attempt in ledger.attempts.values():
        if attempt.outcome_write is not None and attempt.state in ("ACTIVE", "LOST"):
            yield f"{attempt.job}: {attempt} was completed"
    for operation in operations:
        if (
            operation.kind is Kind.SUBMIT
            and operation.job
            and operation.job not in ledger.last_numbers
        ):
            yield f"{operation.job}: was submitted and is not there"
        if operation.kind is Kind.CLAIM and operation.attempt:
            kept = ledger.attempts.get(operation.attempt)
            if kept is None:
                yield f"{operation.job}: attempt {operation.attempt} was given out and not kept"
            elif (kept.job, kept.epoch) != (operation.job, operation.epoch):
                yield f"{operation.job}: attempt {operation.attempt} is kept as {kept}"
            elif operation.learner not in {learner for _, learner in kept.holders}:
                yield f"{operation.job}: {operation.learner} was told of {kept}"


def _check_writes(operations: list[Operation], ledger: Ledger) -> Iterable[str]:
    """What was acknowledged is there; what was refused each time is not."""
    verdicts: dict[int, set[Verdict]] = defaultdict(set)
    first: dict[int, Operation] = {}
    for operation in operations:
        if operation.kind in WRITES:
            verdicts[operation.write].add(operation.verdict)
            first.setdefault(operation.write, operation)
    kept = _kept_writes(ledger)
    for write, told in verdicts.items():
        one = first[write]
        count = kept[one.kind, one.job, one.epoch, write]
        if Verdict.ACCEPTED in told and count != 1:
            yield f"{one.job}: {one.kind} {write} was acknowledged and is there {count} times"
        if told == {Verdict.REFUSED} and count:
            yield f"{one.job}: {one.kind} {write} was refused and is there"


def _kept_writes(ledger: Ledger) -> Counter[tuple[Kind, str, int, int]]:
    kept: Counter[tuple[Kind, str, int, int]] = Counter()
    for job, entries in ledger.entries.items():
        for entry in entries:
            if entry.type == "chunk":
                kept[Kind.PUSH, job, entry.epoch, entry.write] += 1
    for job, epoch, write in ledger.notes:
        kept[Kind.NOTE, job, epoch, write] += 1
    for attempt in ledger.attempts.values():
        if attempt.outcome_write is not None:
            kept[Kind.COMPLETE, attempt.job, attempt.epoch, attempt.outcome_write] += 1
    return kept


def _check_beats(operations: list[Operation], ledger: Ledger) -> Iterable[str]:
    """An attempt whose beat was acknowledged has begun, where one of its beats said."""
    said: dict[str, set[int]] = defaultdict(set)
    acknowledged = set()
    for operation in operations:
        if operation.kind is Kind.BEAT:
            said[operation.attempt].add(operation.write)
            if operation.verdict is Verdict.ACCEPTED:
                acknowledged.add(operation.attempt)
    for attempt in acknowledged:
        kept = ledger.attempts.get(attempt)
        if kept is None or not kept.started or kept.resume_write not in said[attempt]:
            yield f"attempt {attempt}: its beat was acknowledged, and kept is {kept}"


def _check_answers(operations: list[Operation]) -> Iterable[str]:
    """No answer tells of a bug."""
    for operation in operations:
        if operation.status in (400, 422, 500):
            yield f"{operation.kind} was answered {operation.status}"


def _check_fences(operations: list[Operation]) -> tuple[int, list[str]]:
    """Once a later epoch was given out, or a lease called lost, no older write is accepted.

    This is by time: it holds for what leaves no trace too, such as heartbeats. Of two operations
    the one came first that ended before the other began.
    """
    violations: list[str] = []
    refused = 0
    claims: dict[str, list[Operation]] = defaultdict(list)
    lost: dict[str, float] = {}
    for operation in operations:
        if operation.kind is Kind.CLAIM and operation.attempt:
            claims[operation.job].append(operation)
        if operation.slug == GONE:
            lost[operation.attempt] = min(
                lost.get(operation.attempt, operation.returned), operation.returned
            )
    newest = _Newest(claims)
    began_stale: dict[int, bool] = {}
    for operation in operations:
        if operation.kind not in (Kind.BEAT, *WRITES):
            continue
        stale = newest.before(operation) > operation.epoch
        gone = operation.invoked > lost.get(operation.attempt, float("inf"))
        if operation.kind is Kind.COMPLETE:
            # Once done it is acknowledged again for ever: what counts is when it came first.
            stale = began_stale.setdefault(operation.write, stale)
            gone = False
        if operation.verdict is Verdict.REFUSED:
            refused += stale
        elif operation.verdict is Verdict.ACCEPTED and stale:
            violations.append(f"{operation.job}: a stale {operation.kind} was accepted")
        elif operation.verdict is Verdict.ACCEPTED and gone:
            violations.append(f"{operation.job}: {operation.kind} accepted after lease-lost")
    return refused, violations


class _Newest:
    """The newest epoch of each job that somebody had been told of; asked in order of time."""

    def __init__(self, claims: dict[str, list[Operation]]) -> None:
        self._claims = {
            job: sorted(told, key=lambda claim: claim.returned, reverse=True)
            for job, told in claims.items()
        }
        self._epochs: Counter[str] = Counter()

    def before(self, operation: Operation) -> int:
        told = self._claims.get(operation.job, [])
        while told and told[-1].returned < operation.invoked:
            epoch = told.pop().epoch
            self._epochs[operation.job] = max(epoch, self._epochs[operation.job])
        return self._epochs[operation.job]
