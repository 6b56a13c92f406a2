"""Which learners fit which selectors: found out once for each pair, kept in a table."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select

from ganforge import digest
from ganforge.wire.labels import LabelSelector
from ganforge_chassis.database import take_turns
from ganforge_coordinator import ldap_filter, selector
from ganforge_coordinator.db.models import jobs, learner_selectors, learners, selectors
from ganforge_coordinator.selector import Selector

_TOPIC = "selectors"


def selector_of(target_filter: str | LabelSelector | None) -> Selector | None:
    """Read a job's ``targetFilter``; None when any learner will do.

    Raises:
        BadInput: it is an LDAP filter that cannot be read; the words say where.
    """
    if isinstance(target_filter, str):
        return ldap_filter.parse(target_filter)
    return None if target_filter is None else selector.of_labels(target_filter)


def labels_of(learner: Mapping[Any, Any]) -> dict[str, str]:
    """Give a learner's labels: those it told, and what the coordinator knows of it besides."""
    known = {name: learner[name] for name in ("id", "name", "device", "version")}
    return {**learner["labels"], **known}


def enter_selector(connection: Connection, wanted: Selector) -> str:
    """Give the id of a selector; a new one is held against every learner first."""
    name = digest.of_bytes(selector.as_text(wanted).encode())
    # A learner that registers meanwhile would know of no new selector, nor this of the learner.
    take_turns(connection, _TOPIC)
    known = select(selectors.c.id).where(selectors.c.digest == name)
    if (found := connection.execute(known).scalar_one_or_none()) is not None:
        return str(found)
    selector_id = str(uuid.uuid4())
    told = selector.as_json(wanted)
    connection.execute(insert(selectors).values(id=selector_id, digest=name, expr=told))
    current = select(
        learners.c.id, learners.c.name, learners.c.device, learners.c.version, learners.c.labels
    ).where(learners.c.is_current)
    for learner in connection.execute(current).mappings().all():
        if selector.matches(wanted, labels_of(learner)):
            _keep(connection, learner["id"], selector_id)
    return selector_id


def hold_against_selectors(connection: Connection, learner: Mapping[Any, Any]) -> None:
    """Find out anew which selectors a learner fits; call it whenever its labels have changed."""
    take_turns(connection, _TOPIC)
    forget(connection, learner["id"])
    labels = labels_of(learner)
    for known in connection.execute(select(selectors)).mappings().all():
        if selector.matches(selector.of_json(known["expr"]), labels):
            _keep(connection, learner["id"], known["id"])


def forget(connection: Connection, learner_id: str) -> None:
    """Forget what a learner fits."""
    connection.execute(
        delete(learner_selectors).where(learner_selectors.c.learner_id == learner_id)
    )


def _keep(connection: Connection, learner_id: str, selector_id: str) -> None:
    values = {"learner_id": learner_id, "selector_id": selector_id}
    connection.execute(insert(learner_selectors).values(values))


def is_asked_for(learner_id: str | ColumnElement[str]) -> ColumnElement[bool]:
    """Say in SQL that a job's selector takes this learner."""
    fitted = select(learner_selectors.c.selector_id).where(
        learner_selectors.c.learner_id == learner_id
    )
    return or_(jobs.c.selector_id.is_(None), jobs.c.selector_id.in_(fitted))
