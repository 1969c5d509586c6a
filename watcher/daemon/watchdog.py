"""Stuck loops: detected, logged, and if it is the event loop itself, ended.

Rules: looks at times and stacks, touches no loop. A stuck loop is reported by `/healthz`. A blocked event
loop cannot answer, so the process exits, as after `kill -9`, for its supervisor to restart it.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import anyio
import structlog

from watcher.clock import loop_time
from watcher.daemon.loops import Loops
from watcher.metrics import Metrics
from watcher.store.retrying import Retrier

__all__ = ["LoopWatchdog", "Stuck", "Watchdog"]

STUCK_AFTER = 300.0
"""Seconds without a step after which a loop is stuck: five times the longest request or pause of one
that has something to do."""

STORE_STUCK_AFTER = 60.0
"""Seconds after which one attempt to read or write the store is stuck; a lock is waited for 3 s."""

LOOK_EVERY = 30.0

TICK = 1.0
SILENT, ENDED = 20, 180
"""Ticks without a turn of the event loop after which it is logged, and after which the process exits."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """What is stuck, for how many seconds, and where in the code it waits."""

    what: str
    seconds: float
    where: str

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"what": self.what, "seconds": round(self.seconds), "where": self.where}


class Watchdog:
    """Detects which loops, or the store below them, are `stuck`; logs each once."""

    def __init__(self, loops: Iterable[Loops], retrier: Retrier, metrics: Metrics) -> None:
        self._loops = tuple(loops)
        self._retrier = retrier
        self._metrics = metrics
        self._before: dict[str, float] = {}
        self.stuck: list[Stuck] = []
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Look every half minute, until cancelled."""
        while True:
            await anyio.sleep(LOOK_EVERY)
            self.look()

    def look(self) -> None:
        """Find what is stuck: what has not moved since the previous look either, because a loop that
        has slept long on purpose may be about to wake.
        """
        silent = [one for loops in self._loops for one in loops.silent(STUCK_AFTER)]
        now = anyio.current_time()
        found = [
            Stuck(one.what, now - one.moved, one.where)
            for one in silent
            if self._before.get(one.what) == one.moved
        ]
        self._before = {one.what: one.moved for one in silent}
        if (seconds := self._retrier.longest) > STORE_STUCK_AFTER:
            found.insert(0, Stuck("store", seconds, self._retrier.where()))
        self._log_changes(found)
        self.stuck = found
        self._metrics.stuck.set(len(found))

    def _log_changes(self, found: list[Stuck]) -> None:
        before, now = {one.what for one in self.stuck}, {one.what for one in found}
        for one in found:
            if one.what not in before:
                self._log.error("a loop is stuck", **one.plain())
        for what in sorted(before - now):
            self._log.info("a loop moves again", what=what)


def _exit() -> None:
    faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
    os._exit(1)


class LoopWatchdog:
    """A thread that watches whether the event loop turns; used around `run`, once per process.

    It counts its own ticks rather than time, so that a process that was suspended (a paused container,
    Ctrl-Z) does not look stuck. If the loop hangs in code that holds the GIL (a regular expression,
    say), a kernel timer of the process' CPU time kills it with SIGPROF. Either way the stacks of all
    threads are written to stderr.
    """

    def __init__(
        self,
        *,
        tick: float = TICK,
        silent: int = SILENT,
        ended: int = ENDED,
        end: Callable[[], None] = _exit,
        late: Callable[[float], object] = lambda _seconds: None,
    ) -> None:
        self._tick, self._silent, self._ended, self._end = tick, silent, ended, end
        self._late = late
        self._turned = True
        self._over = threading.Event()
        self._loop_thread = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._log = structlog.get_logger()

    def __enter__(self) -> Self:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        faulthandler.register(signal.SIGPROF, sys.__stderr__ or 2, all_threads=True, chain=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.unregister(signal.SIGPROF)

    async def run(self) -> None:
        """Record, from within the loop, that it turns, and how late, until cancelled."""
        while True:
            self._turned = True
            signal.setitimer(signal.ITIMER_PROF, self._tick * self._ended)
            due = loop_time() + self._tick
            await anyio.sleep(self._tick)
            self._late(max(0.0, loop_time() - due))

    def _watch(self) -> None:
        ticks = 0
        while not self._over.wait(self._tick):
            if self._turned:
                if ticks >= self._silent:
                    self._log.info("the event loop turns again", ticks=ticks)
                ticks, self._turned = 0, False
                continue
            ticks += 1
            if ticks == self._silent:
                self._log.error("the event loop does not turn", where=self._where())
            if ticks == self._ended:
                self._log.error("the event loop is stuck; the process ends", where=self._where())
                self._end()

    def _where(self) -> str:
        """Return the innermost places in the code where the loop's thread is."""
        frame = sys._current_frames().get(self._loop_thread)
        places: list[str] = []
        while frame is not None and len(places) < 6:
            file = "/".join(frame.f_code.co_filename.split("/")[-3:])
            places.append(f"{file}:{frame.f_lineno} {frame.f_code.co_name}")
            frame = frame.f_back
        return " < ".join(places)
