"""A thousand learners and those who watch them, in one process, for ``bench/coordinator.py``."""
