"""When the machine's clock is set: what waits moves along, and nothing is removed on its word alone.

Law: due times are wall times, so that they survive a restart; how long something waits is meant in
seconds that pass. A clock that is set back must not hold up deliveries for as long, one that is set
ahead must not make a rule's `for` come true at once, and none may empty the log.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import anyio
import structlog

from watcher.clock import Clock
from watcher.records import EventQuery
from watcher.store import Store

__all__ = ["ClockJumpDetector"]

JUMP = timedelta(seconds=30)
"""A smaller difference is left alone: waits are not that exact."""

UNSURE = 600.0
"""Seconds after the start, and after a jump, in which the providers' answers show what is right."""

OFF = timedelta(hours=1)
"""How far the clock may differ from the providers' for the retention to go by it."""


class ClockJumpDetector:
    """Compares the wall clock with the time that passes, with the store, and with the providers.

    `skews` gives how much each provider's clock is ahead of ours, as far as they have told.
    """

    def __init__(
        self, store: Store, clock: Clock, skews: Callable[[], Iterable[timedelta]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._skews = skews
        self._then: tuple[datetime, float] | None = None
        self._sure_from = 0.0
        self._doubted = False
        self._log = structlog.get_logger()

    async def open(self) -> timedelta:
        """Find out whether the clock was set back while nothing ran: the store has been later."""
        now = self._clock()
        self._then = now, anyio.current_time()
        self._sure_from = anyio.current_time() + UNSURE
        times = [one.event.time for one in await self._store.events(EventQuery(limit=1))]
        for state in await self._store.sources():
            times += [at for at in (state.polled, state.swept) if at is not None]
        return await self._moved(min(now - max(times, default=now), timedelta(0)), now)

    async def look(self) -> timedelta:
        """Find out whether the clock was set since the last look; gives by how much."""
        now, passed = self._clock(), anyio.current_time()
        wall, loop = self._then or (now, passed)
        self._then = now, passed
        return await self._moved(now - wall - timedelta(seconds=passed - loop), now)

    async def _moved(self, jump: timedelta, now: datetime) -> timedelta:
        if abs(jump) <= JUMP:
            return timedelta(0)
        self._sure_from = anyio.current_time() + UNSURE
        self._log.warning(
            "the machine's clock was set; what waits moves along",
            seconds=round(jump.total_seconds()),
        )
        await self._store.shift_clock(jump, min(now, now - jump))
        return jump

    def trusted(self) -> bool:
        """Tell whether old records may be removed by this clock."""
        if anyio.current_time() < self._sure_from:
            return False
        known = [skew.total_seconds() for skew in self._skews()]
        skew = statistics.median(known) if known else 0.0
        off = abs(skew) > OFF.total_seconds()
        if off and not self._doubted:
            self._log.error(
                "the machine's clock differs from the providers'; nothing is removed by it",
                seconds=round(-skew),
                remedy="set the clock (NTP)",
            )
        self._doubted = off
        return not off
