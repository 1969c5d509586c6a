"""Loops that start and end one by one while the others keep running.

Rules: a loop that fails fails its whole group; after `end` returns, the loop has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from watcher.clock import loop_time

__all__ = ["Loops"]


Work = Callable[[], Coroutine[Any, Any, None]]
Idle = Callable[[], bool]


class _Steps:
    """Awaits a coroutine and records when it last moved (loop time) and where it waits."""

    __slots__ = (
        "_time",
        "_work",
        "moved",
    )

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work
        # Asked at each step of thousands of loops; to find out which loop runs is a call of the system.
        self._time = asyncio.get_running_loop().time
        self.moved = self._time()

    def __await__(self) -> Generator[Any, Any, None]:
        inner = self._work.__await__()
        resume: Callable[[], Any] = partial(next, inner)
        while True:
            self.moved = self._time()
            try:
                wish = resume()
            except StopIteration:
                return
            try:
                value = yield wish
            except BaseException as error:  # noqa: BLE001 - passed on, whatever it is
                resume = partial(inner.throw, error)
            else:
                resume = partial(inner.send, value)

    def where(self) -> str:
        """Return the innermost places in the code where it waits."""
        places: list[str] = []
        at: Any = self._work
        while at is not None:
            frame = getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None)
            if frame is not None:
                file = "/".join(frame.f_code.co_filename.split("/")[-3:])
                places.append(f"{file}:{frame.f_lineno} {frame.f_code.co_name}")
            at = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None)
        return " < ".join(reversed(places[-6:]))


@dataclass(frozen=True, slots=True)
class Silent:
    """A loop that has something to do: when it last moved (loop time) and where it waits."""

    what: str
    moved: float
    where: str


class _Loop:
    __slots__ = ("_ended", "_over", "_scope", "_work", "idle", "steps")

    def __init__(self, work: Work, idle: Idle) -> None:
        self._work = work
        self.idle = idle
        self.steps: _Steps | None = None
        self._scope: anyio.CancelScope | None = None
        self._ended: anyio.Event | None = (
            None  # made by who waits for it: there are thousands of loops
        )
        self._over = False

    async def run(self) -> None:
        if self._over:
            return
        try:
            with anyio.CancelScope() as self._scope:
                self.steps = _Steps(self._work())
                await self.steps
        finally:
            self.steps, self._over = None, True
            if self._ended is not None:
                self._ended.set()

    async def end(self) -> None:
        if self._scope is None or self._over:
            self._over = True  # one that has not begun never does
            return
        self._ended = self._ended or anyio.Event()
        self._scope.cancel()
        await self._ended.wait()


class Loops:
    """The loops of one kind, by name."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._tasks: TaskGroup | None = None
        self._loops: dict[str, _Loop] = {}

    async def run(self) -> None:
        """Run the loops until cancelled, including those started before."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                for name, loop in self._loops.items():
                    tasks.start_soon(loop.run, name=f"{self._kind} {name}")
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    def start(self, name: str, work: Work, idle: Idle = lambda: False) -> None:
        """Start a loop, at once or when `run` begins; `idle` returns whether it has nothing to do at
        the moment, however long that lasts.
        """
        loop = self._loops[name] = _Loop(work, idle)
        if self._tasks is not None:
            self._tasks.start_soon(loop.run, name=f"{self._kind} {name}")

    async def end(self, name: str) -> None:
        """End a loop and wait until it has ended."""
        loop = self._loops.pop(name)
        if self._tasks is not None:
            await loop.end()

    def silent(self, seconds: float) -> list[Silent]:
        """Return the loops that have work to do and have not moved for `seconds`."""
        now = loop_time()
        return [
            Silent(f"{self._kind} {name}", loop.steps.moved, loop.steps.where())
            for name, loop in self._loops.items()
            if loop.steps is not None and now - loop.steps.moved > seconds and not loop.idle()
        ]
