"""The news that something was recorded, for whoever follows the log.

Rules: carries nothing: who follows reads the log from where it stood. Costs nothing while nobody does.
"""

from __future__ import annotations

import anyio

__all__ = ["MOST_FOLLOWERS", "Feed"]

MOST_FOLLOWERS = 32
"""How many may follow at once: each takes one of the connections of a listener."""


class Feed:
    """Wakes whoever follows, until it is closed."""

    def __init__(self) -> None:
        self.followers = 0
        self.closed = False
        self._news: anyio.Event | None = None

    def tell(self) -> None:
        """Wake all that wait."""
        if self._news is not None:
            self._news.set()
            self._news = None

    def close(self) -> None:
        """End all that follow."""
        self.closed = True
        self.tell()

    async def wait(self, seconds: float) -> bool:
        """Wait for news; return False if none came within this time."""
        if self.closed:
            return True
        if self._news is None:
            self._news = anyio.Event()
        news = self._news
        with anyio.move_on_after(seconds):
            await news.wait()
        return news.is_set()
