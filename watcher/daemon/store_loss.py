"""The store's files, removed, replaced or cut under the running daemon.

Rules: looks, changes nothing. What is open goes on to work, so without a look nobody would notice
until the next start. What is not put back soon ends the daemon: nothing is recorded for long in a file that
nobody will find again.
"""

from __future__ import annotations

import anyio
import structlog

from watcher.clock import Clock
from watcher.errors import StoreError
from watcher.records import Trouble
from watcher.store import Store

__all__ = ["StoreLossDetector"]

LOOK_EVERY = 5.0
"""Seconds between two looks: a few `lstat`."""

PATIENCE = 60.0
"""Seconds in which the files can be put back."""

REMEDY = (
    "put it back within a minute, or restore a backup: the daemon ends then, because what it records is lost"
    " with the process"
)


class StoreLossDetector:
    """Compares the open store with what stands at its address; logs a loss and its end once."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.trouble: Trouble | None = None
        """What became of the store's files, None while they are in their places."""
        self._store = store
        self._clock = clock
        self._lost_at = 0.0
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Look every few seconds, until cancelled; raise StoreError where the store stays away."""
        while True:
            await anyio.sleep(LOOK_EVERY)
            await self.look()
            if self.trouble is not None and anyio.current_time() - self._lost_at >= PATIENCE:
                raise StoreError(
                    f"the store is gone, and the daemon with it: {self.trouble.reason}; put it back or"
                    " restore a backup, then start again"
                )

    async def look(self) -> None:
        """Find out whether the store is in its place."""
        reason, before = await self._store.lost(), self.trouble
        if not reason:
            self.trouble = None
            if before is not None:
                self._log.info("the store is in its place again")
        elif before is None or before.reason != reason:
            since = self._clock() if before is None else before.since
            self._lost_at = anyio.current_time() if before is None else self._lost_at
            self.trouble = Trouble(since, reason, REMEDY)
            self._log.error("the store is gone", reason=reason, remedy=REMEDY)
