"""Defects put in on purpose, and the tests that must find them."""
