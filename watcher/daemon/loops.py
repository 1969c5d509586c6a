"""Loops that begin and end one by one while the others go on.

Law: a loop that fails fails the group that it runs in; one that is ended has ended when `end`
returns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

__all__ = ["Loops"]


class _Loop:
    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()

    async def run(self) -> None:
        try:
            with self._scope:
                await self._work()
        finally:
            self._ended.set()

    async def end(self) -> None:
        self._scope.cancel()
        await self._ended.wait()


class Loops:
    """The loops of one kind, by name."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._tasks: TaskGroup | None = None
        self._loops: dict[str, _Loop] = {}

    async def run(self) -> None:
        """Run what is started, until cancelled; what was started before begins now."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                for name, loop in self._loops.items():
                    tasks.start_soon(loop.run, name=f"{self._kind} {name}")
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Start a loop, or have it started when `run` begins."""
        loop = self._loops[name] = _Loop(work)
        if self._tasks is not None:
            self._tasks.start_soon(loop.run, name=f"{self._kind} {name}")

    async def end(self, name: str) -> None:
        """End a loop and wait until it has ended."""
        loop = self._loops.pop(name)
        if self._tasks is not None:
            await loop.end()
