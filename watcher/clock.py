"""Wall time as a value: whoever needs the time is handed a `Clock`.

Law: this is the only module of the package that reads the wall clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "wall_clock"]

Clock = Callable[[], datetime]
"""Gives the present as an aware datetime in UTC."""


def wall_clock() -> datetime:
    """Give the machine's wall time in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock
