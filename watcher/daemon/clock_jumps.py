"""Jumps of the machine's clock: pending deliveries move along, and pruning pauses.

Rules: due times are wall times, so that they survive a restart; waits mean
elapsed seconds. A clock set back must not delay deliveries, a clock set ahead must not make a rule's
`for` come true at once, and neither may empty the log. Time in which the process stood still is no jump.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import anyio
import structlog

from watcher.clock import Clock
from watcher.daemon.steady_loop import elapsed
from watcher.records import EventQuery
from watcher.store import Store

__all__ = ["ClockJumpDetector"]

JUMP = timedelta(seconds=30)
"""Smaller differences are ignored: waits are not that exact."""

UNSURE = 600.0
"""Seconds after the start, and after a jump, in which the providers' answers show the right time."""

OFF = timedelta(hours=25)
"""How far the clock may differ from the providers' before pruning pauses: theirs may be a day off."""


class ClockJumpDetector:
    """Compares the wall clock with the time that passes, with the store, and with the providers.

    `skews` yields how far each provider's clock is ahead of ours, as far as known.
    """

    def __init__(
        self, store: Store, clock: Clock, skews: Callable[[], Iterable[timedelta]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._skews = skews
        self.stood = False
        """Whether the process stood still before the last look, so that more may be due than it waits for."""
        self._then: tuple[datetime, float, float] | None = None
        self._sure_from = 0.0
        self._doubted = False
        self._log = structlog.get_logger()

    async def open(self) -> timedelta:
        """Check whether the clock was set back while the daemon was not running: the store knows later
        times. Return by how much.
        """
        now = self._clock()
        self._then = now, elapsed(), anyio.current_time()
        self._sure_from = anyio.current_time() + UNSURE
        times = [one.event.time for one in await self._store.events(EventQuery(limit=1))]
        for state in await self._store.sources():
            times += [at for at in (state.polled, state.swept) if at is not None]
        return await self._moved(min(now - max(times, default=now), timedelta(0)), now)

    async def look(self) -> timedelta:
        """Check whether the clock was set since the last look; return by how much."""
        now, passed, waited = self._clock(), elapsed(), anyio.current_time()
        wall, before, loop = self._then or (now, passed, waited)
        self._then = now, passed, waited
        stood = passed - before - (waited - loop)
        self.stood = stood > JUMP.total_seconds()
        if self.stood:
            self._log.warning("the process, or the machine, stood still", seconds=round(stood))
        return await self._moved(now - wall - timedelta(seconds=passed - before), now)

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
        """Return whether old records may be removed by this clock."""
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
