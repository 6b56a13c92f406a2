"""What a queued job waits for, in words."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Text, cast, exists, func, select

from ganforge.wire.jobs import JobState
from ganforge.wire.learning import LearnerState
from ganforge_chassis.database import now
from ganforge_coordinator import catalog, fitting, gang, selector
from ganforge_coordinator.db.models import attempt_members, learners, selectors
from ganforge_coordinator.events import instant
from ganforge_coordinator.ledger import JobRow
from ganforge_coordinator.roster import ALIVE_MS
from ganforge_coordinator.selector import Selector


@dataclass(frozen=True)
class Candidate:
    """A learner that is here, or several of which the same is to be told."""

    labels: dict[str, str]
    datasets: frozenset[str]
    is_busy: bool
    takes_jobs: bool = True
    number: int = 1
    """How many learners this is; those with labels are told one by one."""
    sizes: dict[str, int] = field(default_factory=dict)
    """With how many together it can follow a strategy, where those are several."""


@dataclass(frozen=True)
class Wish:
    """What a queued job asks of learners."""

    dataset: str
    strategy: str = ""
    count: int = 1
    selector: Selector | None = None
    rests_until_ms: int | None = None
    """Given as the time and not as what is left of it: a job that rests stays as it is told."""


def reasons(connection: Connection, rows: Sequence[JobRow]) -> dict[str, str]:
    """Say for each queued job among ``rows`` what it waits for, where that is known."""
    queued = [row for row in rows if row["state"] == JobState.QUEUED]
    if not queued:
        return {}
    time = now(connection)
    asked = _selectors(connection, {row["selector_id"] for row in queued})
    here = _candidates(
        connection,
        time,
        with_labels=bool(asked),
        with_sizes=any(row["target_count"] > 1 for row in queued),
    )

    @cache
    def reason(dataset: str, strategy: str, count: int, selector_id: str, rests: int | None) -> Any:
        wish = Wish(dataset, strategy, count, asked.get(selector_id), rests)
        return explain(wish, here)

    told = {}
    for row in queued:
        rests = row["run_after_ms"] if row["run_after_ms"] > time else None
        wished = (row["dataset"], row["strategy"], row["target_count"], row["selector_id"])
        if (words := reason(*wished, rests)) is not None:
            told[row["id"]] = words
    return told


def _candidates(
    connection: Connection, time: int, *, with_labels: bool, with_sizes: bool
) -> list[Candidate]:
    """Read the learners that are here: what nobody asks for is left out, and what is alike counted.

    Labels tell each learner from all others, and strategies are long, for their schemas.
    """
    busy = exists().where(attempt_members.c.learner_id == learners.c.id, attempt_members.c.active)
    columns = [cast(learners.c.datasets, Text).label("datasets"), learners.c.state]
    if with_labels:
        columns += [learners.c[name] for name in ("id", "name", "device", "version")]
        columns.append(cast(learners.c.labels, Text).label("labels"))
    if with_sizes:
        columns.append(cast(learners.c.strategies, Text).label("strategies"))
    found = (
        select(*columns, busy.label("is_busy"))
        .where(learners.c.is_current, learners.c.last_seen_ms > time - ALIVE_MS)
        .subquery()
    )
    alike = select(*found.c, func.count().label("number")).group_by(*found.c)
    return [_candidate(row) for row in connection.execute(alike).mappings()]


def _candidate(row: RowMapping) -> Candidate:
    labels = json.loads(row["labels"]) if "labels" in row else None
    return Candidate(
        labels={} if labels is None else fitting.labels_of({**row, "labels": labels}),
        datasets=_readable(row["datasets"]),
        is_busy=row["is_busy"],
        takes_jobs=row["state"] == LearnerState.ACTIVE,
        number=row["number"],
        sizes=_sizes(row["strategies"]) if "strategies" in row else {},
    )


# Hundreds of learners tell these in the same words.
@lru_cache(maxsize=100)
def _readable(datasets: str) -> frozenset[str]:
    return frozenset(info["name"] for info in catalog.readable(json.loads(datasets)))


@lru_cache(maxsize=100)
def _sizes(strategies: str) -> dict[str, int]:
    return gang.sizes({"strategies": json.loads(strategies)})


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
        return f"{_learners(_sum(readers))} could take it, drained or quarantined: resume one"
    if wish.rests_until_ms is not None:
        return f"it rests until {instant(wish.rests_until_ms):%H:%M:%S} UTC"
    return _too_few(wish, takers)


def _too_few(wish: Wish, takers: Sequence[Candidate]) -> str | None:
    """Say that of those who could take the job too few are here, or free."""
    able = [one for one in takers if one.sizes.get(wish.strategy, 1) >= wish.count]
    there, free = _sum(able), _sum(one for one in able if not one.is_busy)
    if there >= wish.count and free >= wish.count:
        return None
    if wish.count == 1:
        return f"{_learners(there)} could take it, and none of them is free"
    wanted = f"it takes {wish.count} learners at once"
    if there < wish.count:
        return f"{wanted}, and {_count(there)} here that can work on it together"
    return f"{wanted}: {there} could take it, and {_count(free)} free of them"


def _sum(some: Iterable[Candidate]) -> int:
    return sum(one.number for one in some)


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
