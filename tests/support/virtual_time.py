"""Virtual time: an asyncio loop that jumps to its next timer when nothing else can happen.

    @pytest.fixture
    def anyio_backend():
        return "asyncio", {"loop_factory": JumpLoop}

    async def test_something():
        clock = VirtualClock()
        await anyio.sleep(3600)  # takes no time; clock() is an hour later

The loop jumps only when no callback is ready, no file descriptor is, and no thread works for it.
While a thread works, virtual time stands still, so a deadline never fires because the machine was
slow. The loop knows of these threads: executors (`run_in_executor`, and so SqliteStore's writer),
`anyio.to_thread`, aiosqlite. A test with threads of its own tells about them with `also_busy`.

Not for a thread that waits for virtual time to pass, nor for other processes.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from anyio._backends._asyncio import WorkerThread

__all__ = ["START", "JumpLoop", "VirtualClock"]

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
"""The wall time at which a `JumpLoop` begins."""

_GLANCE = 0.002
"""Real seconds given to the kernel before a jump while sockets are open."""

_PATIENCE = 20.0
"""Real seconds after which a loop that waits for nothing is taken for a deadlock."""

_RESOLVED_BY_THREADS = frozenset({"asyncio.futures", "aiosqlite.core"})
"""The modules that call `loop.create_future` for what a thread will answer: `wrap_future`, which
stands behind every executor, and aiosqlite."""


class JumpLoop(asyncio.SelectorEventLoop):
    """A loop whose `time()` begins at zero and passes only in jumps."""

    def __init__(self) -> None:
        self._now = 0.0
        self._awaited = 0
        self._also_busy: list[Callable[[], bool]] = []
        super().__init__(_JumpSelector(self))
        # Timers that are due within a microsecond are due: a jump may fall short by a rounding.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Let virtual time pass; called by the selector."""
        self._now += seconds

    def also_busy(self, busy: Callable[[], bool]) -> None:
        """Have `busy` asked before each jump: while it gives True, time stands still."""
        self._also_busy.append(busy)

    def create_future(self) -> asyncio.Future[Any]:
        future = super().create_future()
        if sys._getframe(1).f_globals.get("__name__") in _RESOLVED_BY_THREADS:
            self._awaited += 1
            future.add_done_callback(self._answered)
        return future

    def _answered(self, _: asyncio.Future[Any]) -> None:
        self._awaited -= 1

    def threads_work(self) -> bool:
        """Whether some thread still owes this loop an answer."""
        return (
            self._awaited > 0
            or any(busy() for busy in self._also_busy)
            or any(
                thread.loop is self
                and thread in thread.workers
                and thread not in thread.idle_workers
                for thread in threading.enumerate()
                if isinstance(thread, WorkerThread)
            )
        )


class _JumpSelector(selectors.DefaultSelector):
    """Waits like any selector while something may still come; otherwise makes time pass."""

    def __init__(self, loop: JumpLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop.threads_work():
            # Answers come through the loop's self-pipe; `also_busy` has no such bell.
            return super().select(_GLANCE)
        sockets = len(self.get_map()) > 1  # one is the loop's self-pipe
        if sockets and (ready := super().select(_GLANCE)):
            return ready
        if timeout is None:
            ready = super().select(_PATIENCE)
            if not ready:
                raise RuntimeError("deadlock: nothing is ready, nothing scheduled, no thread works")
            return ready
        self._loop.jump(timeout)
        return []


class VirtualClock:
    """A `watcher.clock.Clock`: wall time tied to the time of the running loop."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=asyncio.get_running_loop().time())
