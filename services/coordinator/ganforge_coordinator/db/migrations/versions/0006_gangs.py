"""Jobs for several learners: who waits for one, and which members of an attempt have started."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "parked",
        sa.Column("learner_id", sa.String(length=36), nullable=False),
        sa.Column("claim_key", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=255), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_parked_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", name=op.f("pk_parked")),
    )
    op.execute("ALTER TABLE attempt_members ADD COLUMN address VARCHAR(255)")
    op.execute("ALTER TABLE attempt_members ADD COLUMN started BOOLEAN DEFAULT false NOT NULL")
    # Until now an attempt had one member.
    op.execute(
        "UPDATE attempt_members SET started = ("
        "SELECT started FROM attempts WHERE attempts.id = attempt_members.attempt_id)"
    )
