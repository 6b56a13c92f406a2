"""The selector of a job as it was submitted, and the queue in the order it is claimed in."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE jobs ADD COLUMN target_filter JSON")
    op.drop_index("jobs_claim", "jobs")
    op.create_index(
        "jobs_claim",
        "jobs",
        [sa.text("priority DESC"), "created_ms", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'QUEUED'"),
        postgresql_where=sa.text("state = 'QUEUED'"),
    )
