"""Waiting out what passes: a full disk, another program's lock, a file system that stutters.

Law: whoever asked waits until it was done, so nobody decides or sends anything twice meanwhile;
told once, and once more when it is over. What does not pass by itself is raised at once.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import anyio
import structlog

from watcher.clock import Clock, wall_clock
from watcher.errors import StoreUnavailable
from watcher.model import rfc3339
from watcher.records import Trouble

__all__ = ["Retrier"]

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
"""Seconds between two attempts: doubled from the first to the longest."""


class Retrier:
    """What one store shares among all who wait for it. `trouble` is what they wait for, None while
    the store works.
    """

    def __init__(self, clock: Clock = wall_clock) -> None:
        self.trouble: Trouble | None = None
        self._clock = clock
        self._under_way: dict[object, float] = {}
        self._waiting = 0
        self._claiming = 0
        self._log = structlog.get_logger()

    @property
    def longest(self) -> float:
        """Seconds since the oldest attempt began that is under way; none of them should last."""
        return anyio.current_time() - min(self._under_way.values(), default=math.inf)

    async def _once(self, attempt: Callable[[timedelta], Awaitable[T]], waited: timedelta) -> T:
        mark = object()
        self._under_way[mark] = anyio.current_time()
        try:
            return await attempt(waited)
        finally:
            del self._under_way[mark]

    async def run(self, attempt: Callable[[timedelta], Awaitable[T]], *, claim: bool = False) -> T:
        """Try until it is done; `attempt` is told how long ago it was asked for.

        A `claim` goes only when nothing else waits: it must not take again what was sent already
        and could not be settled. Raises every error but StoreUnavailable.
        """
        waited = timedelta(0)
        while not (claim and self._waiting):
            try:
                return await self._once(attempt, waited)
            except StoreUnavailable as error:
                self._fail(error)
            break
        asked, pause = anyio.current_time(), FIRST_PAUSE
        self._waiting += not claim
        self._claiming += claim
        done = False
        try:
            while True:
                await anyio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                if claim and self._waiting:
                    continue
                try:
                    waited = timedelta(seconds=anyio.current_time() - asked)
                    result = await self._once(attempt, waited)
                except StoreUnavailable as error:
                    self._fail(error)
                else:
                    done = True
                    return result
        finally:
            self._waiting -= not claim
            self._claiming -= claim
            if not self._waiting and not self._claiming:
                self._end(done)

    def _fail(self, error: StoreUnavailable) -> None:
        before = self.trouble
        if before is None or before.reason != error.reason:
            since = self._clock() if before is None else before.since
            self.trouble = Trouble(since, error.reason, error.remedy)
            self._log.error(
                "the store fails; everything waits for it",
                reason=error.reason,
                remedy=error.remedy,
            )

    def _end(self, done: bool) -> None:
        """Nobody waits any more: it works again, or those who waited were stopped."""
        if self.trouble is not None and done:
            self._log.info("the store works again", since=rfc3339(self.trouble.since))
        self.trouble = None
