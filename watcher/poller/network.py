"""Is it our own network? When every source fails to connect at once, it is.

Rules: knows nothing of providers; sources report whether their last attempt connected.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from datetime import datetime

import anyio
import structlog

from watcher.pipeline import announce_network
from watcher.records import SourceState, Trouble
from watcher.runtime import Runtime

__all__ = ["Network"]

LEAST_SOURCES = 2
"""With a single source, its host being down looks the same; then `source.failing` is reported."""

ASKED = 4
"""How many others try at once where one source does not connect. Each that fails, too, has as many more
tried, so that a dead network is known within a few rounds, and thousands of sources are not all asked
because one host is down.
"""

_REASON = "no source can be reached: every connection fails"
_REMEDY = "check this machine's network, DNS and proxy"


class Network:
    """Collects connection failures of all sources and reports the network's state."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._pokes: dict[str, Callable[[], None]] = {}
        # In the order in which they are asked; those that were asked have not answered yet.
        self._unasked: dict[str, None] = {}
        self._asked: set[str] = set()
        self._state = SourceState("", "", "")
        self._announcing = anyio.Lock()
        self.failing_since: datetime | None = None

    async def open(self) -> None:
        """Load the stored state."""
        self._state = await self._runtime.store.source("") or self._state
        if self._state.failing is not None:
            self.failing_since = self._state.failing.since

    def join(self, source: str, poke: Callable[[], None]) -> None:
        """Add a source; `poke` makes it try at once."""
        self._unasked[source] = None
        self._pokes[source] = poke

    def leave(self, source: str) -> None:
        """Remove a source."""
        self._forget(source)
        self._pokes.pop(source, None)

    def _forget(self, source: str) -> bool:
        """Note that nothing is known of a source's connection; return whether it was not known to fail."""
        found = source in self._unasked or source in self._asked
        self._unasked.pop(source, None)
        self._asked.discard(source)
        return found

    @property
    def failing(self) -> bool:
        """Whether our own network fails now."""
        return self.failing_since is not None

    async def unreachable(self, source: str) -> None:
        """Note that a source did not connect. Some others try at once: if none connects, it is our
        network.
        """
        first = self._forget(source)
        if len(self._pokes) < LEAST_SOURCES or self.failing:
            return
        if self._unasked or self._asked:
            if first:
                for name in list(itertools.islice(self._unasked, ASKED)):
                    del self._unasked[name]
                    self._asked.add(name)
                    self._pokes[name]()
            return
        self.failing_since = self._runtime.clock()
        structlog.get_logger().error("our own network fails", reason=_REASON, remedy=_REMEDY)
        await self._announce("failing", self.failing_since)

    async def reachable(self, source: str) -> None:
        """Note that a source connected."""
        # To the end of the line: the next that are asked are others.
        self._forget(source)
        self._unasked[source] = None
        if self.failing_since is None:
            return
        since, self.failing_since = self.failing_since, None
        structlog.get_logger().info("our own network works again")
        await self._announce("recovered", since)

    async def _announce(self, kind: str, since: datetime) -> None:
        async with self._announcing:
            await self._record(kind, since)

    async def _record(self, kind: str, since: datetime) -> None:
        trouble = Trouble(since, _REASON, _REMEDY) if kind == "failing" else None
        commit, failed = announce_network(
            self._runtime.rules(),
            dataclasses.replace(self._state, failing=trouble),
            kind,
            reason=_REASON if kind == "failing" else "the network works again",
            remedy=_REMEDY if kind == "failing" else "",
            since=since,
            now=self._runtime.clock(),
        )
        recorded = await self._runtime.store.commit(commit)
        for rule, problem in failed:
            self._runtime.metrics.condition_failed(rule, problem)
            structlog.get_logger().warning(
                "a condition could not be evaluated", rule=rule, problem=problem
            )
        self._state = commit.state or self._state
        self._runtime.publish(recorded)
