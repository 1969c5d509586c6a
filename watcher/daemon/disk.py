"""The store's disk, watched before it is full: whoever fills it waits, everybody else goes on.

Rules: looks and tells; what little is, and who may write then, is decided in `watcher.pipeline.disk`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime

import anyio
import structlog

from watcher.errors import SourceUnavailable
from watcher.pipeline import announce_disk
from watcher.pipeline.disk import Reserve, is_low, may_write
from watcher.records import DISK, SourceState, Space, Trouble
from watcher.runtime import Runtime

__all__ = ["Disk"]

LOOK_EVERY = 5.0
"""Seconds between two looks while nothing is written; whoever writes looks as well."""

FRESH = 0.2
"""Seconds for which a look is believed."""

LATELY = 600.0
"""Seconds in which what a source wrote is forgotten."""

WAIT = 30.0
"""Seconds after which a source that had to wait tries again."""

REMEDY = "make room on the store's disk, or lower `least_free`"


class Disk:
    """Knows how much is free, and how much each source wrote lately."""

    def __init__(self, runtime: Runtime, reserve: Callable[[], Reserve]) -> None:
        self.trouble: Trouble | None = None
        """That little is left, None while enough is."""
        self.space: Space | None = None
        """What the last look showed, None where there is no disk."""
        self._runtime = runtime
        self._reserve = reserve
        self._state = SourceState(DISK, "", "")
        self._looked = -LOOK_EVERY
        self._looking = anyio.Lock()
        self._admitted = 0  # since the last look
        self._wanted = 0
        self._written: dict[str, tuple[float, float]] = {}

    async def open(self) -> None:
        """Load the stored state."""
        self._state = await self._runtime.store.source(DISK) or self._state
        self.trouble = self._state.failing

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await self.look()
            await anyio.sleep(LOOK_EVERY)

    async def admit(self, source: str, size: int) -> None:
        """Note that a source is about to write so many bytes; raise SourceUnavailable where there is no room
        for that, and it is no small one.
        """
        now = anyio.current_time()
        wrote, at = self._written.get(source, (0.0, now))
        wrote = max(0.0, wrote * (1 - (now - at) / LATELY))
        space = self.space
        for age in (FRESH, 0.0):  # what was admitted may take less than was thought
            await self._see(age)
            space = self.space
            if space is None or may_write(
                space, self._reserve(), wrote, size, ahead=self._admitted
            ):
                self._admitted += size
                self._written[source] = wrote + size, now
                return
        assert space is not None  # noqa: S101 - there is no disk that refuses
        self._wanted = max(self._wanted, size)
        await self._set(low=True)
        raise SourceUnavailable(
            f"the store's disk has {_size(space.free)} left, of which"
            f" {_size(self._reserve().of(space.total))} are kept free, and this source would write"
            f" {_size(size)}: it waits",
            REMEDY,
            retry_after=WAIT,
        )

    async def look(self) -> None:
        """Find out how much is free, and tell it where little is left or enough is again."""
        await self._see(0.0)
        if self.space is None:
            return
        self._runtime.metrics.disk_free.set(self.space.free)
        low = is_low(
            self.space, self._reserve(), was_low=self.trouble is not None, wanted=self._wanted
        )
        await self._set(low=low)

    async def _see(self, age: float) -> None:
        """Look, unless the last look is younger than `age` seconds."""
        if anyio.current_time() - self._looked >= age:
            self._looked = anyio.current_time()
            self.space, self._admitted = await self._runtime.store.space(), 0

    async def _set(self, *, low: bool) -> None:
        async with self._looking:
            if low == (self.trouble is not None) or self.space is None:
                return
            now, least = self._runtime.clock(), self._reserve().of(self.space.total)
            if low:
                reason = (
                    f"{_size(self.space.free)} of the store's disk are left, {_size(least)} are kept"
                    " free: sources that write much wait"
                )
                self.trouble = Trouble(now, reason, REMEDY)
                structlog.get_logger().error("the disk is low", reason=reason, remedy=REMEDY)
                await self._announce("low", self.trouble, now)
            else:
                before, self.trouble, self._wanted = self.trouble, None, 0
                structlog.get_logger().info("the disk has room again")
                if before is not None:
                    reason = f"{_size(self.space.free)} of the store's disk are free again"
                    await self._announce("recovered", Trouble(before.since, reason), now)

    async def _announce(self, kind: str, trouble: Trouble, now: datetime) -> None:
        commit, failed = announce_disk(
            self._runtime.rules(),
            dataclasses.replace(self._state, failing=self.trouble),
            kind,
            trouble,
            now=now,
        )
        recorded = await self._runtime.store.commit(commit)
        for rule, problem in failed:
            self._runtime.metrics.rule_errors.labels(rule).inc()
            structlog.get_logger().warning(
                "a condition could not be evaluated", rule=rule, problem=problem
            )
        self._state = commit.state or self._state
        self._runtime.publish(recorded)


def _size(number: int) -> str:
    """Write bytes for people."""
    for unit in ("bytes", "KiB", "MiB"):
        if number < 10_000:
            return f"{number:,} {unit}"
        number //= 1024
    return f"{number:,} GiB"
