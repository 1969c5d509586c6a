"""Durations in words.

Law: pure.
"""

from __future__ import annotations

from datetime import timedelta

__all__ = ["say_duration"]

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}


def say_duration(duration: timedelta) -> str:
    """Write a duration as the configuration has it: `15m`, `1h30m`."""
    rest = duration // timedelta(milliseconds=1)
    said = ""
    for unit, size in _UNITS.items():
        number, rest = divmod(rest, size)
        said += f"{number}{unit}" if number else ""
    return said or "0s"
