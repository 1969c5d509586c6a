"""Wall time as a value: code that needs the time is given a `Clock`.

Rules: this is the only module of the package that reads the wall clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "wall_clock"]

Clock = Callable[[], datetime]
"""Returns the present as an aware datetime in UTC."""


def wall_clock() -> datetime:
    """Return the machine's wall time in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock
