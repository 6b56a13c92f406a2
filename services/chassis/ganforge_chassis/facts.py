"""Facts: rows that go into one statement as one parameter, however many there are."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, FromClause, bindparam, column, func, select
from sqlalchemy.types import TypeEngine

FACTS = "facts"
"""The name of the parameter: a list of JSON objects."""


def table_of(dialect: str, columns: Mapping[str, type[TypeEngine[Any]]]) -> FromClause:
    """Give a table of the rows that come with the statement, to be joined like any other.

    Many rows are then written by as many statements as one, each of which stays the same text
    whatever their number is, so that it is said, prepared and planned once.

    Args:
        dialect: the database's, ``sqlite`` or ``postgresql``.
        columns: the names that each row has, and their types.
    """
    said = bindparam(FACTS, type_=JSON)
    if dialect == "postgresql":
        typed = (column(name, kind) for name, kind in columns.items())
        rows = func.json_to_recordset(said).table_valued(*typed, name="fact")
        return rows.render_derived(with_types=True)
    each = func.json_each(said).table_valued("value", name="each")
    values = (
        func.json_extract(each.c.value, f"$.{name}", type_=kind).label(name)
        for name, kind in columns.items()
    )
    return select(*values).subquery("fact")
