"""The job of an attempt is found without looking at all jobs."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_index("jobs_attempt", "jobs", ["attempt_id"], unique=True)
