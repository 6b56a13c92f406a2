"""What a queued job waits for, in words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from sqlalchemy import Connection, exists, select

from ganforge.wire.jobs import JobState
from ganforge.wire.learning import LearnerState
from ganforge_chassis.database import now
from ganforge_coordinator import catalog, fitting, gang, selector
from ganforge_coordinator.db.models import attempt_members, learners, selectors
from ganforge_coordinator.ledger import JobRow
from ganforge_coordinator.roster import ALIVE_MS
from ganforge_coordinator.selector import Selector


@dataclass(frozen=True)
class Candidate:
    """A learner that is here."""

    labels: dict[str, str]
    datasets: frozenset[str]
    is_busy: bool
    takes_jobs: bool = True
    sizes: dict[str, int] = field(default_factory=dict)
    """With how many together it can follow a strategy, where those are several."""


@dataclass(frozen=True)
class Wish:
    """What a queued job asks of learners."""

    dataset: str
    strategy: str = ""
    count: int = 1
    selector: Selector | None = None
    rests_ms: int = 0


def reasons(connection: Connection, rows: Sequence[JobRow]) -> dict[str, str]:
    """Say for each queued job among ``rows`` what it waits for, where that is known."""
    queued = [row for row in rows if row["state"] == JobState.QUEUED]
    if not queued:
        return {}
    time = now(connection)
    together = any(row["target_count"] > 1 for row in queued)
    here = _candidates(connection, time, with_sizes=together)
    asked = _selectors(connection, {row["selector_id"] for row in queued})
    told = {}
    for row in queued:
        wish = Wish(
            dataset=row["dataset"],
            strategy=row["strategy"],
            count=row["target_count"],
            selector=asked.get(row["selector_id"]),
            rests_ms=max(0, row["run_after_ms"] - time),
        )
        if (reason := explain(wish, here)) is not None:
            told[row["id"]] = reason
    return told


def _candidates(connection: Connection, time: int, *, with_sizes: bool) -> list[Candidate]:
    busy = exists().where(attempt_members.c.learner_id == learners.c.id, attempt_members.c.active)
    asked = select(
        learners.c.id,
        learners.c.name,
        learners.c.device,
        learners.c.version,
        learners.c.labels,
        learners.c.datasets,
        learners.c.state,
        busy.label("is_busy"),
    ).where(learners.c.is_current, learners.c.last_seen_ms > time - ALIVE_MS)
    if with_sizes:  # not always: strategies are long, for their schemas
        asked = asked.add_columns(learners.c.strategies)
    return [
        Candidate(
            labels=fitting.labels_of(row),
            datasets=frozenset(info["name"] for info in catalog.readable(row["datasets"])),
            is_busy=row["is_busy"],
            takes_jobs=row["state"] == LearnerState.ACTIVE,
            sizes=gang.sizes(row) if with_sizes else {},
        )
        for row in connection.execute(asked).mappings()
    ]


def _selectors(connection: Connection, ids: set[str | None]) -> dict[str, Selector]:
    known = select(selectors).where(selectors.c.id.in_(ids - {None}))
    return {
        row["id"]: selector.of_json(row["expr"]) for row in connection.execute(known).mappings()
    }


def explain(wish: Wish, here: Sequence[Candidate]) -> str | None:
    """Say what a job waits for; None when a learner could take it at any moment."""
    if not here:
        return "no learner is here; start one with ganforge learner"
    fitting_ones = [one for one in here if _fits(wish, one)]
    if not fitting_ones and wish.selector is not None:
        return f"no learner here fits targetFilter: {_missing(wish.selector, here)}"
    readers = [one for one in fitting_ones if wish.dataset in one.datasets]
    if not readers:
        who = "here" if wish.selector is None else "that fits targetFilter"
        return f"no learner {who} reads the dataset {wish.dataset}"
    takers = [one for one in readers if one.takes_jobs]
    if not takers:
        return f"{_learners(len(readers))} could take it, drained or quarantined: resume one"
    if wish.rests_ms:
        return f"it rests for another {-(-wish.rests_ms // 1000)} s"
    return _too_few(wish, takers)


def _too_few(wish: Wish, takers: Sequence[Candidate]) -> str | None:
    """Say that of those who could take the job too few are here, or free."""
    able = [one for one in takers if one.sizes.get(wish.strategy, 1) >= wish.count]
    free = sum(not one.is_busy for one in able)
    if len(able) >= wish.count and free >= wish.count:
        return None
    if wish.count == 1:
        return f"{_learners(len(able))} could take it, and none of them is free"
    wanted = f"it takes {wish.count} learners at once"
    if len(able) < wish.count:
        return f"{wanted}, and {_count(len(able))} here that can work on it together"
    return f"{wanted}: {len(able)} could take it, and {_count(free)} free of them"


def _fits(wish: Wish, one: Candidate) -> bool:
    return wish.selector is None or selector.matches(wish.selector, one.labels)


def _missing(wanted: Selector, here: Sequence[Candidate]) -> str:
    """Name what is asked and nobody has; all of it, when only together it is too much."""
    for part in selector.parts_of(wanted):
        if not any(selector.matches(part, one.labels) for one in here):
            return f"none has {selector.in_words(part)}{_hint(part, here)}"
    return f"none has all of {selector.in_words(wanted)}"


def _hint(part: Selector, here: Sequence[Candidate]) -> str:
    """Tell a label that was probably meant, where no learner has the one asked for."""
    key = getattr(part, "key", None)
    known = {name for one in here for name in one.labels}
    if key is None or key in known:
        return ""
    near = get_close_matches(key, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _count(count: int) -> str:
    return "none is" if count == 0 else "one is" if count == 1 else f"{count} are"


def _learners(count: int) -> str:
    return "one learner" if count == 1 else f"{count} learners"
