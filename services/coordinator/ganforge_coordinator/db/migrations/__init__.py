"""The coordinator's migrations, run by alembic."""
