"""Hostile answers for every provider: `python -m tests.fuzz --help`."""
