"""When a coordinator last counted time, how far each member is, and who takes no jobs."""

from alembic import op

revision = "0004"
down_revision = "0003"

# Written out, for SQLite would make the table anew and lose its checks on the way.
COLUMNS = (
    "coordinator ADD COLUMN alive_ms BIGINT DEFAULT 0 NOT NULL",
    "attempt_members ADD COLUMN iteration BIGINT DEFAULT 0 NOT NULL",
    "attempt_members ADD COLUMN advanced_ms BIGINT DEFAULT 0 NOT NULL",
    "learners ADD COLUMN state VARCHAR(11) DEFAULT 'ACTIVE' NOT NULL "
    "CONSTRAINT ck_learners_state CHECK (state IN ('ACTIVE','DRAINED','QUARANTINED'))",
)


def upgrade() -> None:
    for column in COLUMNS:
        op.execute(f"ALTER TABLE {column}")
    # What is under way was never asked how far it is: its time begins when it is next heard of.
    op.execute("UPDATE attempt_members SET advanced_ms = lease_until_ms")
