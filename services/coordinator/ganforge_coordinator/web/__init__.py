"""The pages of the coordinator: words, templates, static files."""
