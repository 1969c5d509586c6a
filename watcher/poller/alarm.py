"""A wait for a moment that somebody may cut short.

Rules: a wait costs one timer. Thousands of sources wait for their next poll, and a cancel scope for each
costs more than all else that a source does between two polls.
"""

from __future__ import annotations

import asyncio

__all__ = ["Alarm"]


class Alarm:
    """Wakes the one who waits at its time, or when it rings before; one that rings while nobody waits ends
    the next wait at once.
    """

    __slots__ = ("_rung", "_sleeper")

    def __init__(self) -> None:
        self._sleeper: asyncio.Future[None] | None = None
        self._rung = False

    def ring(self) -> None:
        """End the wait now."""
        self._rung = True
        if self._sleeper is not None:
            _end(self._sleeper)

    async def wait(self, seconds: float) -> None:
        """Return after so many seconds, or when it rings."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._sleeper = loop.create_future()
            timer = loop.call_later(seconds, _end, self._sleeper)
            try:
                await self._sleeper
            finally:
                timer.cancel()
                self._sleeper = None
        self._rung = False


def _end(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
