"""An event loop for which no time passes while the process stands still.

Rules: a process may be stopped (SIGSTOP, a paused container, a machine that sleeps) in the middle of
anything, and what it waits for goes on meanwhile: the answer lies in its socket when it is woken. So time
that it had no part in is no time for its deadlines: `time()`, by which asyncio reckons every timer, leaves it
out, and then stands still for a moment more, in which sockets and pipes are read and the workers, which were
stopped too, say what they have. No other code has to know. What asks how long something is ago in the world
outside asks `elapsed`, which leaves out nothing.

A turn of the loop takes as long as it waits on purpose, and little more. One that takes longer was stopped
in the middle, or computed for too long; both look alike, and both have read their sockets too late. A loop
that is slow again and again is busy, not stopped: then a part of the time counts, so that its timers run.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["SteadyLoop", "elapsed", "since_boot"]

STOPPED = 0.5
"""Seconds beyond its wait after which a turn counts as interrupted."""

LOOK = 1.0
"""Seconds for which time stands still after that."""

BUSY = 10.0
"""Seconds within which another interruption means that the process is busy rather than stopped."""

LONGEST_WAIT = 1.0
"""Seconds that a turn waits at most, so that no interruption hides in a long wait."""

SHORTEST_WAIT = 0.01
"""Seconds between two looks while time stands still just before a timer."""

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", None)

Events = list[tuple[selectors.SelectorKey, int]]


def since_boot() -> float:
    """Return seconds that nobody sets, with those in which the machine slept where the system tells."""
    return time.monotonic() if _SINCE_BOOT is None else time.clock_gettime(_SINCE_BOOT)


def elapsed() -> float:
    """Return the running loop's time with all that it has left out."""
    loop = asyncio.get_running_loop()
    return loop.clock() if isinstance(loop, SteadyLoop) else loop.time()


class SteadyLoop(asyncio.SelectorEventLoop):
    """An asyncio loop (`loop_factory`); `clock` and `selector` are those of the system, but for tests."""

    def __init__(
        self,
        clock: Callable[[], float] = since_boot,
        selector: selectors.BaseSelector | None = None,
    ) -> None:
        self.clock = clock
        self.left_out = 0.0
        """Seconds of the clock that were no time of this loop."""
        self._told = self._turned = clock()
        self._interrupted = self._told - BUSY
        super().__init__(_TurnSelector(self, selector or selectors.DefaultSelector()))

    def time(self) -> float:
        # Within a turn, too, no more time passes than a turn may take.
        now, latest = self.clock() - self.left_out, self._turned + STOPPED
        if now > latest:
            now = latest
        if now > self._told:
            self._told = now
        return self._told

    @property
    def still(self) -> bool:
        """Whether time stands still."""
        return self.clock() - self.left_out < self._told

    def turn(self, waited: float = 0.0) -> bool:
        """Reckon with the time since the last call, of which the loop waited so much on purpose; return
        whether it was interrupted.
        """
        now = self.clock()
        interrupted = now - self.left_out - self._turned > waited + STOPPED
        if interrupted:
            busy = now - self._interrupted < BUSY
            self._interrupted = now
            self._told = max(self._told, self._turned + (STOPPED if busy else 0.0))
            self.left_out = now - self._told + (0.0 if busy else LOOK)
        self._turned = max(self._told, now - self.left_out)
        return interrupted


class _TurnSelector(selectors.BaseSelector):
    """Reports to the loop where its turns begin and end, and looks again where one was interrupted: a wait
    that was cut off ends by its clock, without a look at what has come.
    """

    def __init__(self, loop: SteadyLoop, inner: selectors.BaseSelector) -> None:
        self._loop = loop
        self._inner = inner

    def select(self, timeout: float | None = None) -> Events:
        loop = self._loop
        loop.turn()
        wait = LONGEST_WAIT if timeout is None else min(timeout, LONGEST_WAIT)
        if 0 < wait < SHORTEST_WAIT and loop.still:
            wait = SHORTEST_WAIT
        ready = self._inner.select(wait)
        if loop.turn(max(wait, 0.0)) and not ready:
            ready = self._inner.select(0)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()
