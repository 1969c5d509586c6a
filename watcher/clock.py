"""Wall time as a value: code that needs the time is given a `Clock`; and the time of the loop.

Rules: this is the only module of the package that reads the wall clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "loop_time", "wall_clock"]

Clock = Callable[[], datetime]
"""Returns the present as an aware datetime in UTC."""


def wall_clock() -> datetime:
    """Return the machine's wall time in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock


def loop_time() -> float:
    """Return the running loop's time in seconds, of which a poll asks a dozen times: anyio's own
    `current_time` looks up which library runs each time.
    """
    return asyncio.get_running_loop().time()
