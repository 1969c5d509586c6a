"""The composition root: store, transport, pollers and dispatchers under one task group.

Law: builds and stops things, nothing else. Signals belong to the daemon; a stop takes at most
ten seconds: no new attempts, those under way get a few seconds, then everything is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import anyio
import structlog

from watcher.clock import Clock, wall_clock
from watcher.config import Config
from watcher.daemon.clockwatch import ClockWatch
from watcher.daemon.commands import Commands
from watcher.daemon.loops import Loops
from watcher.daemon.plans import plan_receivers, plan_source
from watcher.daemon.watchdog import Watchdog
from watcher.dispatcher import Dispatcher, ReceiverPlan
from watcher.dispatcher.silencing import Silencing
from watcher.metrics import Metrics
from watcher.poller import Network, SourcePlan, SourcePoller
from watcher.records import Recorded
from watcher.rules import Rule
from watcher.store import Store
from watcher.store.retrying import Retrier
from watcher.transport import Transport

__all__ = ["GRACE", "Daemon", "Publish"]

GRACE = 6.0
"""Seconds that attempts under way get when the daemon stops."""

PRUNE_EVERY, PRUNE_AGAIN = 3600.0, 300.0
MEASURE_EVERY = 15.0

Publish = Callable[[Sequence[Recorded]], None]


class Daemon(Commands):
    """Everything that runs, over a store that is open. Implements `control.Control`."""

    def __init__(
        self,
        config: Config,
        *,
        store: Store,
        transport: Transport,
        clock: Clock = wall_clock,
        receivers: Sequence[ReceiverPlan] | None = None,
        echo: Publish | None = None,
        retrier: Retrier | None = None,
    ) -> None:
        self.config = config
        self.metrics = Metrics()
        self._retrier = retrier or Retrier(clock)
        self.metrics.store_failing.set_function(lambda: self._retrier.trouble is not None)
        self.store = store
        self._clock = clock
        self._echo = echo
        self.network = Network(
            store=store,
            rules=self._rules,
            clock=clock,
            publish=self._publish,
            metrics=self.metrics,
        )
        self.silencing = Silencing(store, lambda: self.config.silences, clock)
        self.transport = transport
        self._watching = Loops("poller")
        self._delivering = Loops("dispatcher")
        loops = (self._watching, self._delivering)
        self.watchdog = Watchdog(loops, self._retrier, self.metrics)
        self.pollers: dict[str, SourcePoller] = {}
        self.dispatchers: dict[str, Dispatcher] = {}
        for index, source in enumerate(config.sources):
            self.watch(plan_source(source, transport, index, len(config.sources)))
        plans = (
            plan_receivers(config.receivers, transport, config.redactor.scrub)
            if receivers is None
            else receivers
        )
        for plan in plans:
            self.deliver_to(plan)
        self._clockwatch = ClockWatch(store, clock, self._skews)
        self._scope: anyio.CancelScope | None = None
        self._polling = anyio.CancelScope()

    def _rules(self) -> tuple[Rule, ...]:
        return self.config.rules

    async def _confirm(self, source: str, conversation: str) -> bool:
        """Ask a source about one conversation before people are told that something lasts."""
        poller = self.pollers.get(source)
        return poller is not None and await poller.confirm(conversation)

    def _publish(self, recorded: Sequence[Recorded]) -> None:
        if recorded:
            for dispatcher in self.dispatchers.values():
                dispatcher.wake()
            if self._echo is not None:
                self._echo(recorded)

    def _wake(self, receiver: str) -> None:
        if receiver in self.dispatchers:
            self.dispatchers[receiver].wake()

    # -- what is watched, and who is told -----------------------------------------------------

    def watch(self, plan: SourcePlan) -> None:
        """Begin to watch a source; while the daemon runs, at once."""
        poller = self.pollers[plan.name] = SourcePoller(
            plan,
            store=self.store,
            rules=self._rules,
            clock=self._clock,
            network=self.network,
            publish=self._publish,
            metrics=self.metrics,
        )
        # Asked when the series are read, so that a loop that is stuck shows all the same.
        self.metrics.lag.labels(plan.name).set_function(poller.lag)
        self.metrics.stale.labels(plan.name).set_function(poller.stale)
        self._watching.start(plan.name, poller.run, idle=lambda: poller.delay() > 0)

    async def unwatch(self, source: str) -> None:
        """Watch a source no longer; a step under way gets a few seconds to end."""
        with anyio.move_on_after(GRACE):
            await self.pollers[source].halt()
        await self._watching.end(source)
        del self.pollers[source]
        self.network.leave(source)
        self.metrics.forget(source=source)

    def deliver_to(self, plan: ReceiverPlan) -> None:
        """Begin to deliver to a receiver; while the daemon runs, at once."""
        dispatcher = self.dispatchers[plan.name] = Dispatcher(
            plan,
            store=self.store,
            rules=self._rules,
            clock=self._clock,
            publish=self._publish,
            metrics=self.metrics,
            confirm=self._confirm,
            silences=self.silencing,
            wake=self._wake,
        )
        self._delivering.start(plan.name, dispatcher.run)

    async def deliver_no_more(self, receiver: str) -> None:
        """Deliver to a receiver no longer; attempts under way get a few seconds to end."""
        dispatcher = self.dispatchers[receiver]
        with anyio.move_on_after(GRACE):
            await dispatcher.stop()
        await self._delivering.end(receiver)
        del self.dispatchers[receiver]
        await dispatcher.plan.notifier.close()
        await self.store.unclaim(receiver)
        self.metrics.forget(receiver=receiver)

    async def tidy(self) -> None:
        """Settle what waits for receivers, rules and sources that are configured no longer."""
        await self.store.retire_unconfigured(
            self.dispatchers.keys(),
            {rule.name for rule in self.config.rules},
            self.pollers.keys(),
            self._clock(),
        )

    # -- running ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Tidy what another run, or another configuration, left in the outbox."""
        await self.store.unclaim()
        await self._clockwatch.open()
        await self.tidy()
        await self.silencing.open()
        await self.network.open()

    async def run(self) -> None:
        """Run until `stop` is called or the task is cancelled."""
        await self.open()
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            tasks.start_soon(self._delivering.run, name="dispatchers")
            tasks.start_soon(self._poll, name="pollers")
            tasks.start_soon(self._prune, name="prune")
            tasks.start_soon(self._measure, name="measure")
            tasks.start_soon(self.watchdog.run, name="watchdog")

    async def _poll(self) -> None:
        with self._polling:
            await self._watching.run()

    async def once(self) -> bool:
        """Make one pass: every source, then what is due; True if all went well."""
        await self.open()
        went_well: list[bool] = []

        async def one_source(poller: SourcePoller) -> None:
            went_well.append(await poller.once())

        async with anyio.create_task_group() as tasks:
            for poller in self.pollers.values():
                tasks.start_soon(one_source, poller)
        async with anyio.create_task_group() as tasks:
            for dispatcher in self.dispatchers.values():
                tasks.start_soon(dispatcher.drain)
        failing = any(dispatcher.state.failures for dispatcher in self.dispatchers.values())
        return all(went_well) and not failing

    async def stop(self) -> None:
        """Stop polling, let attempts to send end (for a few seconds at most), cancel the rest."""
        self._polling.cancel()
        with anyio.move_on_after(GRACE):
            async with anyio.create_task_group() as tasks:
                for dispatcher in self.dispatchers.values():
                    tasks.start_soon(dispatcher.stop)
        self.cancel()

    def cancel(self) -> None:
        """Stop at once."""
        if self._scope is not None:
            self._scope.cancel()

    async def close(self) -> None:
        """Let go of the notifiers' workers."""
        for dispatcher in self.dispatchers.values():
            await dispatcher.plan.notifier.close()

    def _skews(self) -> Iterator[timedelta]:
        for poller in self.pollers.values():
            if (skew := poller.desk.skew) is not None:
                yield skew

    async def _prune(self) -> None:
        while True:
            if not self._clockwatch.trusted():
                await anyio.sleep(PRUNE_AGAIN)
                continue
            now, retention = self._clock(), self.config.retention
            gone = await self.store.prune(now - retention.events, now - retention.deliveries)
            if gone:
                structlog.get_logger().info("old records removed", rows=gone)
            await anyio.sleep(PRUNE_EVERY)

    async def _measure(self) -> None:
        while True:
            if await self._clockwatch.look():
                for dispatcher in self.dispatchers.values():
                    await dispatcher.probe()
            waiting = await self.store.pending()
            for name in self.dispatchers:
                self.metrics.pending.labels(name).set(waiting.get(name, 0))
            for name, share in self._shares().items():
                self.metrics.planned.labels(name).set(share.of(name).hourly)
                self.metrics.allowed.labels(name).set(share.allowed)
                waited = self.transport.waited.get(share.budget.key, 0.0)
                self.metrics.waited.labels(name).set(waited)
            await anyio.sleep(MEASURE_EVERY)
