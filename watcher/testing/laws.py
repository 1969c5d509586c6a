"""A law of the suites that does not hold.

Rules: the exception alone.
"""

from __future__ import annotations

__all__ = ["BrokenLaw"]


class BrokenLaw(AssertionError):
    """What a suite found; the failed test method is the law's name."""
