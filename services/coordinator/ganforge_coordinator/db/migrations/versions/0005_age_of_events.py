"""The age of events, by which they are retired."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("events_by_age", "job_events", ["at_ms"])
