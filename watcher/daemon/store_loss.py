"""The store's file, removed or replaced under the running daemon.

Rules: looks, changes nothing. What is open goes on to work, so without a look nobody would notice
until the next start, which then begins anew.
"""

from __future__ import annotations

import anyio
import structlog

from watcher.clock import Clock
from watcher.records import Trouble
from watcher.store import Store

__all__ = ["StoreLossDetector"]

LOOK_EVERY = 5.0
"""Seconds between two looks: one `stat` each."""

REMEDY = (
    "put it back, or stop the daemon and restore a backup: what is recorded since is lost with the"
    " process"
)


class StoreLossDetector:
    """Compares the open store with what stands at its address; logs a loss and its end once."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.trouble: Trouble | None = None
        """What became of the store's file, None while it is in its place."""
        self._store = store
        self._clock = clock
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await anyio.sleep(LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """Find out whether the store is in its place."""
        reason, before = await self._store.lost(), self.trouble
        if not reason:
            self.trouble = None
            if before is not None:
                self._log.info("the store is in its place again")
        elif before is None or before.reason != reason:
            since = self._clock() if before is None else before.since
            self.trouble = Trouble(since, reason, REMEDY)
            self._log.error("the store is gone", reason=reason, remedy=REMEDY)
