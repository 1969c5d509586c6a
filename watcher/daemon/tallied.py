"""Counters that go on with what the store tallies: however a delivery ends, it ends in a transaction.

Rules: counts what happens from the start of the process on. A tally is read again until its hour is long
over, and what it has grown by is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from watcher.clock import Clock
from watcher.metrics import ENDS, Metrics
from watcher.records import TallyKind, TallyQuery
from watcher.store import Store

__all__ = ["Tallied"]

BACK, AHEAD = timedelta(hours=1), timedelta(hours=2)
"""How long before the last look something may count that was under way then; and beyond the present hour,
by a clock that is set back.
"""

KINDS: tuple[TallyKind, ...] = ("receivers", "rules")

Count = Callable[[TallyKind, str, str, int], None]


class Tallied:
    """Reads the store's tallies into the counters of `metrics`."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._since: datetime | None = None
        self._seen: dict[tuple[TallyKind, datetime, str, str], int] = {}

    async def open(self) -> None:
        """Note what was counted before; what comes on top is counted by `read`."""
        await self._look(_nothing)

    async def read(self, receivers: Collection[str], rules: Collection[str]) -> None:
        """Count what has happened since the last look to what is configured."""

        def count(kind: TallyKind, name: str, what: str, number: int) -> None:
            if kind == "rules":
                if what == "matched" and name in rules:
                    self._metrics.matches.labels(name).inc(number)
            elif name in receivers:
                series = self._metrics.deliveries if what in ENDS else self._metrics.guarded
                series.labels(name, what).inc(number)

        await self._look(count)

    async def _look(self, count: Count) -> None:
        now, seen = self._clock(), self._seen
        since = (self._since or now) - BACK
        if now < since:  # the clock was set back: what was counted then is found again
            since, count = now - BACK, _nothing
        found: dict[tuple[TallyKind, datetime, str, str], int] = {}
        for kind in KINDS:
            for one in await self._store.tallies(TallyQuery(kind, since, now + AHEAD)):
                found[kind, one.at, one.name, one.what] = one.count
        self._since, self._seen = now, found
        for key, number in found.items():
            if (more := number - seen.get(key, 0)) > 0:
                kind, _at, name, what = key
                count(kind, name, what, more)


def _nothing(_kind: TallyKind, _name: str, _what: str, _number: int) -> None: ...
