"""The repository's migrations."""
