"""Waiting for what passes: a full disk, another program's lock, a file system that stutters.

Rules: every caller waits until its call is done, so that meanwhile nothing is decided or sent twice.
The failure is logged once, and so is its end. What does not pass by itself is raised at once.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import anyio

from watcher.clock import Clock, loop_time, wall_clock
from watcher.errors import StatementEnded, StoreUnavailable
from watcher.model import rfc3339
from watcher.records import Trouble

__all__ = ["Retrier"]

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 15.0
"""Seconds between two attempts: doubled from the first to the longest."""


class Retrier:
    """Shared by all callers of one store."""

    def __init__(self, clock: Clock = wall_clock) -> None:
        self.trouble: Trouble | None = None
        """What the callers wait for, None while the store works."""
        self.where: Callable[[], str] = lambda: "the disk does not answer"
        """Returns what an attempt that lasts long is waiting for."""
        self.took: Callable[[float], object] = lambda _seconds: None
        """Called with the seconds that each write took, its turn included."""
        self._clock = clock
        self._under_way: dict[object, float] = {}
        self._waiting = 0
        self._claiming = 0
        import structlog  # who only reads has no retrier, and logs nothing

        self._log = structlog.get_logger()

    @property
    def longest(self) -> float:
        """Seconds since the oldest attempt under way began; attempts are meant to be short."""
        return loop_time() - min(self._under_way.values(), default=math.inf)

    async def run(
        self,
        attempt: Callable[[timedelta], Awaitable[T]],
        *,
        claim: bool = False,
        writes: bool = False,
    ) -> T:
        """Try until it is done; `attempt` receives the time that passed since the first failure.

        Raises every error but StoreUnavailable.
        """
        asked, late, pause = loop_time(), timedelta(0), FIRST_PAUSE
        queued = done = alone = False
        try:
            while True:
                # A claim goes last: it could take again what was sent already, as long as the
                # settlement of that waits.
                if not (claim and self._waiting):
                    mark = object()
                    self._under_way[mark] = began = loop_time()
                    try:
                        result = await attempt(late)
                        done = True
                        if writes:
                            self.took(loop_time() - began)
                        return result
                    except StoreUnavailable as error:
                        # What one caller asks too much of holds up no other.
                        alone = isinstance(error, StatementEnded)
                        self._fail(error)
                    finally:
                        del self._under_way[mark]
                if not queued and not alone:
                    queued, asked = True, loop_time()
                    self._waiting += not claim
                    self._claiming += claim
                await anyio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                late = timedelta(seconds=loop_time() - asked)
        finally:
            if queued:
                self._waiting -= not claim
                self._claiming -= claim
            if not self._waiting and not self._claiming:
                self._end(done)

    def _fail(self, error: StoreUnavailable) -> None:
        before = self.trouble
        if before is None or before.reason != error.reason:
            since = self._clock() if before is None else before.since
            self.trouble = Trouble(since, error.reason, error.remedy)
            waits = "whoever asked" if isinstance(error, StatementEnded) else "everything"
            self._log.error(
                f"the store fails; {waits} waits for it",
                reason=error.reason,
                remedy=error.remedy,
            )

    def _end(self, done: bool) -> None:
        """The last caller stopped waiting: the store works again, or the caller was cancelled."""
        if self.trouble is not None and done:
            self._log.info("the store works again", since=rfc3339(self.trouble.since))
        self.trouble = None
