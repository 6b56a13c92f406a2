"""The coordinator's tables and their migrations."""
