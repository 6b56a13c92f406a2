"""The coordinator's tables; times are milliseconds since 1970 by the database's clock."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ganforge_chassis.migrations import NAMING

metadata = MetaData(naming_convention=NAMING)

selectors = Table(
    "selectors",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("digest", String(71), nullable=False, unique=True),
    Column("expr", JSON, nullable=False),  # what it asks of a learner's labels
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("name", Text),
    Column("networks", JSON, nullable=False),
    Column("dataset", String(64), nullable=False),
    Column("strategy", String(64), nullable=False),
    Column("config", JSON, nullable=False),
    Column("tag", String(64), nullable=False),
    Column("target_count", Integer, nullable=False),
    Column("selector_id", ForeignKey("selectors.id")),  # none: any learner will do
    Column("target_filter", JSON),  # the selector as it was submitted
    Column("priority", SmallInteger, nullable=False),
    Column("state", String(9), nullable=False),
    Column("desired", String(6), nullable=False),
    Column("reason", String(40)),
    Column("error", JSON),
    Column("epoch", BigInteger, nullable=False),
    Column("attempt_id", String(36)),  # no foreign key: attempts point here already
    Column("failures", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("max_failures", Integer, nullable=False),
    Column("max_losses", Integer, nullable=False),
    Column("run_after_ms", BigInteger, nullable=False),
    Column("lease_ttl_ms", Integer, nullable=False, server_default="30000"),
    Column("stall_ms", Integer),  # none: however long an iteration takes
    Column("iteration", BigInteger, nullable=False),
    Column("max_iterations", BigInteger),
    Column("progress", JSON),
    Column("iterations_per_second", Float),
    Column("weights", JSON, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("finished_ms", BigInteger),
    CheckConstraint(
        "state IN ('QUEUED','STARTING','RUNNING','PAUSED','SUCCEEDED','FAILED','CANCELLED')",
        name="state",
    ),
    CheckConstraint("desired IN ('RUN','PAUSE','STOP','CANCEL')", name="desired"),
    CheckConstraint(
        "(state IN ('SUCCEEDED','FAILED','CANCELLED')) = (finished_ms IS NOT NULL)",
        name="finished",
    ),
    CheckConstraint("(state IN ('STARTING','RUNNING')) = (attempt_id IS NOT NULL)", name="attempt"),
    CheckConstraint("lease_ttl_ms BETWEEN 1000 AND 300000", name="lease"),
    CheckConstraint("stall_ms > 0", name="stall"),
    Index("jobs_list", "created_ms", "id"),
    Index("jobs_attempt", "attempt_id", unique=True),
)

Index(
    "jobs_claim",
    jobs.c.priority.desc(),  # in the order of claims: a claim ends at the first that fits
    jobs.c.created_ms,
    jobs.c.id,
    sqlite_where=text("state = 'QUEUED'"),
    postgresql_where=text("state = 'QUEUED'"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("state", String(9), nullable=False),
    Column("started", Boolean, nullable=False),
    Column("resume_iteration", BigInteger, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("end_reason", String(40)),
    Column("outcome", JSON),  # the completion as it arrived, so that a replay can be told
    UniqueConstraint("job_id", "epoch"),
    CheckConstraint("state IN ('ACTIVE','SUCCEEDED','FAILED','RELEASED','LOST')", name="state"),
    # The database itself forbids a second attempt beside an active one.
    Index(
        "one_active_attempt",
        "job_id",
        unique=True,
        sqlite_where=text("state = 'ACTIVE'"),
        postgresql_where=text("state = 'ACTIVE'"),
    ),
)

learners = Table(
    "learners",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("boot_id", String(64), nullable=False),
    Column("is_current", Boolean, nullable=False),
    Column("device", String(200), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("version", String(50), nullable=False),
    Column("principal", String(100)),  # whose token it registered with; none: not known
    Column(
        "slots", Integer, nullable=False, server_default="1"
    ),  # how many leases it may hold at once
    Column(
        "error_score", Float, nullable=False, server_default="0"
    ),  # how many jobs failed on it since one went well
    Column("state", String(11), nullable=False, server_default="ACTIVE"),
    Column("datasets", JSON, nullable=False),
    Column("strategies", JSON, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    UniqueConstraint("name", "boot_id"),
    CheckConstraint("slots BETWEEN 1 AND 64", name="slots"),
    CheckConstraint("state IN ('ACTIVE','DRAINED','QUARANTINED')", name="state"),
    Index(
        "one_current_boot",
        "name",
        unique=True,
        sqlite_where=text("is_current"),
        postgresql_where=text("is_current"),
    ),
)

learner_selectors = Table(
    "learner_selectors",
    metadata,
    Column("learner_id", ForeignKey("learners.id"), primary_key=True),
    Column("selector_id", ForeignKey("selectors.id"), primary_key=True),
)

parked = Table(
    "parked",
    metadata,
    Column("learner_id", ForeignKey("learners.id"), primary_key=True),
    Column("claim_key", String(64), nullable=False),
    Column("address", String(255)),
    Column("until_ms", BigInteger, nullable=False),
)
"""Learners that wait for a job and may be given one together with others."""

attempt_members = Table(
    "attempt_members",
    metadata,
    Column("attempt_id", ForeignKey("attempts.id"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("learner_id", ForeignKey("learners.id"), nullable=False),
    Column(
        "slot", Integer, nullable=False, server_default="0"
    ),  # which of the learner's slots it takes
    Column("claim_key", String(64), nullable=False),
    Column("address", String(255)),  # where the others reach it
    Column("active", Boolean, nullable=False),
    Column("started", Boolean, nullable=False, server_default=text("false")),  # its trainer runs
    Column("lease_until_ms", BigInteger, nullable=False),
    Column("acked_ms", BigInteger),
    Column("next_seq", BigInteger, nullable=False),
    Column("iteration", BigInteger, nullable=False, server_default="0"),
    Column(
        "advanced_ms", BigInteger, nullable=False, server_default="0"
    ),  # when its iteration last went up
    Index(
        "one_active_claim",
        "learner_id",
        "claim_key",
        unique=True,
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    ),
    # The database itself forbids a learner a second lease in one slot.
    Index(
        "one_job_per_slot",
        "learner_id",
        "slot",
        unique=True,
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    ),
    Index(
        "members_expiry",
        "lease_until_ms",
        sqlite_where=text("active"),
        postgresql_where=text("active"),
    ),
)

series_schemas = Table(
    "series_schemas",
    metadata,
    Column("digest", String(71), primary_key=True),
    Column("names", JSON, nullable=False),
)

progress_chunks = Table(
    "progress_chunks",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("job_seq", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("series_digest", ForeignKey("series_schemas.digest"), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # float32 columns, little-endian
    Index("chunks_by_job_seq", "job_id", "job_seq", unique=True),
)

snapshot_notes = Table(
    "snapshot_notes",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("iteration", BigInteger, primary_key=True),
    Column("versions", JSON, nullable=False),
    Column("noted_ms", BigInteger, nullable=False),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", ForeignKey("jobs.id"), primary_key=True),
    Column("job_seq", BigInteger, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("type", String(20), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("data", JSON, nullable=False),
    Index("events_by_age", "at_ms"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("principal", String(100), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(71), nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("role", String(7), nullable=False),
    Column("principal", String(100), nullable=False),
    Column("created_ms", BigInteger, nullable=False, server_default="0"),
    Column("expires_ms", BigInteger),
    Column("last_used_ms", BigInteger),
    CheckConstraint("role IN ('read','submit','learner','admin')", name="role"),
)

coordinator = Table(
    "coordinator",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("boot_floor", BigInteger, nullable=False),
    Column(
        "alive_ms", BigInteger, nullable=False, server_default="0"
    ),  # when a coordinator last counted the time
    CheckConstraint("id = 1", name="singleton"),
)
