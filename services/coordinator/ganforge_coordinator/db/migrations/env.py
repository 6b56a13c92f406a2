"""Alembic's entry: the chassis does the work."""

from ganforge_chassis import migrations
from ganforge_coordinator.db.models import metadata

migrations.run(metadata, "ganforge_coordinator")
