"""Editing a job that is there: what may be changed of it, and when."""

from typing import Any

from sqlalchemy import Connection, update

from ganforge.errors import InvalidState
from ganforge.wire.jobs import JobPatch, JobState
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import catalog, fitting, ledger
from ganforge_coordinator.db.models import jobs
from ganforge_coordinator.ledger import JobRow

AT_REST_ONLY = frozenset({"max_iterations", "target_filter"})
"""What a learner was told when it began, and is not told again."""


def edit(connection: Connection, row: JobRow, patch: JobPatch) -> None:
    """Change what ``patch`` names of a locked job, and write the event.

    Raises:
        InvalidState: a learner works on the job, and would not hear of the change.
        BadInput: a value that the job's strategy does not take, or an LDAP filter that cannot be
            read.
    """
    changed = patch.model_fields_set
    _require_rest(row, changed)
    values = _values(connection, row, patch)
    if all(row[name] == value for name, value in values.items()):
        return
    told = patch.model_dump(mode="json", by_alias=True, exclude_unset=True)
    # The event first: who looks for what was updated since then must not pass over it.
    ledger.append_event(connection, row, "edit", told)
    changes = update(jobs).where(jobs.c.id == row["id"])
    connection.execute(changes.values(**values, updated_ms=now_ms()))


def _require_rest(row: JobRow, changed: set[str]) -> None:
    if changed & AT_REST_ONLY and row["state"] in (JobState.STARTING, JobState.RUNNING):
        raise InvalidState(
            f"the job is {row['state']}: pause it before you change how far it learns, or where",
            allowed=["pause", "stop", "cancel"],
        )


def _values(connection: Connection, row: JobRow, patch: JobPatch) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "name" in patch.model_fields_set:
        values["name"] = patch.name
    if "priority" in patch.model_fields_set:
        values["priority"] = patch.priority or 0
    if "max_iterations" in patch.model_fields_set:
        schema = catalog.strategies(connection)[row["strategy"]].config_schema
        config = {**row["config"], "maxIterations": patch.max_iterations}
        values["config"] = catalog.checked_config(config, schema)
        values["max_iterations"] = values["config"]["maxIterations"]
    if "target_filter" in patch.model_fields_set:
        wanted = fitting.selector_of(patch.target_filter)
        told = patch.model_dump(mode="json", include={"target_filter"})
        values["target_filter"] = told["targetFilter"]
        # Behind the job's lock, as where a learner registers: two orders would be a deadlock.
        found = None if wanted is None else fitting.enter_selector(connection, wanted)
        values["selector_id"] = found
    return values
