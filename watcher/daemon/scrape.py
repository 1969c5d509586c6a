"""What Prometheus gets when it asks: what was counted, and what there is of sources and receivers at that
moment.

Rules: asks the store a few questions, waits for it only shortly, and asks again no sooner than the
questions are worth: while it does not answer, what it said last is told. Nothing here runs while nobody
asks, and nothing is kept of single sources.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import anyio
import anyio.to_thread
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from watcher.clock import loop_time
from watcher.daemon.slices import in_slices
from watcher.daemon.tallied import Tallied
from watcher.dispatcher import Dispatcher
from watcher.errors import StoreError
from watcher.metrics import PREFIX
from watcher.metrics.series import gauges
from watcher.metrics.sources import Glance, SourceReading, chosen, counted, families
from watcher.poller import SourcePoller
from watcher.poller.request_plan import HOUR, SharedBudget
from watcher.records import Attention, Backlog, ReceiverState, Space
from watcher.runtime import Runtime
from watcher.transport import Transport

__all__ = ["Scrape"]

PATIENCE = 2.0
"""Seconds that the store may take to answer; a scrape is given ten by default."""

WORTH = 20
"""How many times as long as the store took to answer nothing is asked again: a twentieth of its time at
most.
"""

REASONS = ("due", "retry", "timer", "digest", "hours", "order", "paused", "off")
"""Why deliveries are pending."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the store said."""

    backlog: Sequence[Backlog] = ()
    dead: Mapping[str, int] | None = None
    attention: Mapping[str, Attention] | None = None
    rows: Mapping[str, int] | None = None
    space: Space | None = None
    taken: int = 0


class _Together(Collector):
    """What is counted, and what was read for one scrape."""

    def __init__(self, *parts: Iterator[Metric] | Sequence[Metric]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        return itertools.chain.from_iterable(self._parts)


class Scrape:
    """Answers whoever asks for metrics."""

    def __init__(
        self,
        runtime: Runtime,
        pollers: Mapping[str, SourcePoller],
        dispatchers: Mapping[str, Dispatcher],
        transport: Transport,
        *,
        most: Callable[[], int],
    ) -> None:
        self._runtime = runtime
        self._pollers = pollers
        self._dispatchers = dispatchers
        self._transport = transport
        self._most = most
        self._tallied = Tallied(runtime.store, runtime.clock, runtime.metrics)
        self._said = _Stored()
        self._again = 0.0
        self._asking = anyio.Lock()

    async def open(self) -> None:
        """Note what was counted before the process began; raise StoreError."""
        await self._tallied.open()

    async def text(self, *, every: bool = False) -> bytes:
        """Return all series as text; of `every` source, however many there are."""
        found = await self.read(every=every)
        registry = self._runtime.metrics.registry
        # Rendering many series takes tens of milliseconds, which the loop should not wait for.
        return await anyio.to_thread.run_sync(
            lambda: generate_latest(_Together(iter(registry.collect()), found))
        )

    async def read(self, *, every: bool = False) -> Sequence[Metric]:
        """Return what there is now of sources, receivers and the store; what is counted is up to date
        afterwards.
        """
        await self._ask()
        sources = await self._sources(every=every)
        return [*sources, *self._receivers(), *self._others()]

    async def _ask(self) -> None:
        """Have the store say what only it knows."""
        if self._asking.locked() or loop_time() < self._again:
            return
        store, began = self._runtime.store, loop_time()
        async with self._asking:
            rules = {rule.name for rule in self._runtime.rules()}
            with anyio.move_on_after(PATIENCE), suppress(StoreError):
                await self._tallied.read(self._dispatchers.keys(), rules)
                self._said = _Stored(
                    await store.backlog(self._runtime.clock()),
                    await store.dead(),
                    await store.attention(),
                    await store.extent(),
                    await store.space(),
                    len(await store.acknowledgements()),
                )
            self._again = loop_time() + WORTH * (loop_time() - began)

    async def _sources(self, *, every: bool) -> Sequence[Metric]:
        """Return how many sources stand how, and what is read of those that have series of their own."""
        attention, left = self._said.attention or {}, self._transport.left
        nobody, seen = Attention(), []
        async for name, poller in in_slices(self._pollers.items()):
            waiting = attention.get(name, nobody).waiting
            quota = left.get(poller.plan.provider.budget.key) if left else None
            provider, standing = poller.plan.provider_name, poller.standing()
            seen.append(Glance(name, provider, standing, poller.lag(), waiting, quota))
        names = chosen(seen, len(seen) if every else self._most())
        waited, now = self._transport.waited, self._runtime.clock()
        found = []
        async for name in in_slices(names):
            if name in self._pollers:  # a reload may have removed it meanwhile
                one = self._pollers[name]
                key = one.plan.provider.budget.key
                quota, spent = left.get(key), waited.get(key, 0.0)
                found.append(_read(one, attention.get(name, nobody), now, quota, spent))
        return [counted(seen), *families(found)]

    def _receivers(self) -> Iterator[Metric]:
        """Yield what waits for receivers, and why."""
        states = {name: one.state for name, one in self._dispatchers.items()}
        pending = {(name, reason): 0 for name in states for reason in REASONS}
        oldest = dict.fromkeys(states, 0.0)
        now = self._runtime.clock()
        for one in self._said.backlog:
            if one.receiver in states:
                pending[one.receiver, _reason(one, states[one.receiver])] += one.number
                if one.reason in ("due", "order"):
                    age = (now - one.oldest).total_seconds()
                    oldest[one.receiver] = max(oldest[one.receiver], age)
        dead = self._said.dead or {}
        yield gauges(
            f"{PREFIX}deliveries_pending", "Deliveries that wait, and for what.", ("receiver", "reason"),
            iter(pending.items()),
        )  # fmt: skip
        yield gauges(
            f"{PREFIX}deliveries_dead", "Deliveries given up, kept for a person.", ("receiver",),
            (((name,), dead.get(name, 0)) for name in states),
        )  # fmt: skip
        yield gauges(
            f"{PREFIX}deliveries_oldest_due_seconds", "Age of the oldest delivery that is due and not sent.",
            ("receiver",), (((name,), age) for name, age in oldest.items()),
        )  # fmt: skip

    def _others(self) -> Iterator[Metric]:
        """Yield what there is of silences, acknowledgements and the store."""
        now, silences = self._runtime.clock(), self._runtime.silences()
        states = {
            ("active",): sum(one.lasts(now) for one in silences),
            ("pending",): sum(one.starts is not None and one.starts > now for one in silences),
        }
        yield gauges(f"{PREFIX}silences", "Silences by state.", ("state",), iter(states.items()))
        yield gauges(
            f"{PREFIX}acknowledgements", "Conversations that somebody has taken.", (),
            iter([((), self._said.taken)]),
        )  # fmt: skip
        used = {} if self._said.space is None else self._said.space.used
        yield gauges(
            f"{PREFIX}store_size_bytes", "Size of the store's files.", ("file",),
            (((file,), used.get(file, 0)) for file in ("main", "wal")),
        )  # fmt: skip
        rows = {
            "conversations": sum(one.session.present for one in self._pollers.values()),
            **(self._said.rows or {"events": 0, "deliveries": 0}),
        }
        yield gauges(
            f"{PREFIX}store_rows", "Rows of the tables that grow, estimated.", ("table",),
            (((table,), number) for table, number in rows.items()),
        )  # fmt: skip


def _reason(one: Backlog, state: ReceiverState) -> str:
    """Return why deliveries are pending: what stands in the way of all comes first, as `explain.waits` has
    it.
    """
    if state.off:
        return "off"
    return "paused" if state.paused is not None else one.reason


def _read(
    poller: SourcePoller, seen: Attention, now: datetime, quota: int | None, waited: float
) -> SourceReading:
    session, plan = poller.session, poller.request_plan()
    return SourceReading(
        poller.plan.name,
        poller.plan.provider_name,
        failing=session.state.failing is not None,
        held=session.state.hold is not None,
        stale=poller.stale(),
        last_success=_stamp(session.last_success),
        last_sweep=_stamp(session.state.swept),
        conversations=session.present,
        unread=seen.unread,
        oldest_wait=max(0.0, (now - seen.waiting).total_seconds()) if seen.waiting else 0.0,
        planned=plan.hourly / HOUR if plan.priced else None,
        limit=SharedBudget(plan.budget, (plan,)).allowed / HOUR,
        quota=quota,
        waited=waited,
    )


def _stamp(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()
