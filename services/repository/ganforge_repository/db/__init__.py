"""The repository's tables and their migrations."""
