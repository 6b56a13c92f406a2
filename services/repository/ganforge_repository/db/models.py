"""The repository's tables; times are milliseconds since 1970 by the database's clock."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from ganforge_chassis.migrations import NAMING

metadata = MetaData(naming_convention=NAMING)

DIGEST = String(71)
NAME = String(128)
SERIAL = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts INTEGER keys only

networks = Table(
    "networks",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("definition", JSON, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("parameters", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
"""Architectures; ``digest`` names the canonical JSON of the definition."""

blob_contents = Table(
    "blob_contents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("touched_at", BigInteger, nullable=False),
)
"""Bytes kept in the database; one that no blob names and nobody touches is an upload's ruin."""

blob_chunks = Table(
    "blob_chunks",
    metadata,
    Column(
        "content_id",
        String(32),
        ForeignKey("blob_contents.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""The bytes, 1 MiB to a row but for the last."""

blobs = Table(
    "blobs",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("media_type", String(64), nullable=False),
    Column("content", String(256), nullable=False, unique=True),
    Column("data_start", BigInteger),
    Column("tensors", JSON(none_as_null=True)),
    Column("nonfinite_count", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)
"""Whole, checked files by digest; ``content`` is the blob store's own name for the bytes."""

tags = Table(
    "tags",
    metadata,
    Column("network", NAME, ForeignKey("networks.name"), primary_key=True),
    Column("tag", NAME, primary_key=True),
    Column("latest_version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
"""Lines of versions; ``latest_version`` is the counter that leaves no gaps."""

job_epochs = Table(
    "job_epochs",
    metadata,
    Column("job", NAME, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("tag", NAME, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("committed_at", BigInteger),
)
"""The newest epoch of each job; every write of the job is guarded by its row."""

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("job", NAME, ForeignKey("job_epochs.job"), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("iteration", BigInteger, nullable=False),
    Column("tag", NAME, nullable=False),
    Column("state", DIGEST, ForeignKey("blobs.digest")),
    Column("losses", JSON, nullable=False),
    Column("config", JSON, nullable=False),
    Column("body_digest", DIGEST, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("job", "epoch", "iteration"),
    Index("ix_snapshots_job_id", "job", "id"),
    Index(None, "state"),
)
"""Commits of jobs; the highest id of a job is its latest."""

versions = Table(
    "versions",
    metadata,
    Column("network", NAME, primary_key=True),
    Column("tag", NAME, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", DIGEST, ForeignKey("blobs.digest"), nullable=False),
    Column("samples", DIGEST, ForeignKey("blobs.digest")),
    Column("source", String(16), nullable=False),
    Column("snapshot_id", SERIAL, ForeignKey("snapshots.id")),
    Column("job", NAME),
    Column("epoch", BigInteger),
    Column("iteration", BigInteger),
    Column("parent_tag", NAME),
    Column("parent_version", Integer),
    Column("losses", JSON, nullable=False),
    Column("quality", JSON(none_as_null=True)),
    Column("idempotency_key", String(255)),
    Column("created_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["network", "tag"], ["tags.network", "tags.tag"]),
    UniqueConstraint("network", "tag", "idempotency_key"),
    Index(None, "digest"),
    Index(None, "samples"),
    Index(None, "snapshot_id"),
)
"""Immutable versions; only ``quality`` is told afterwards."""
