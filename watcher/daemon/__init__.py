"""The composition root: store, transport, pollers and dispatchers in one task group.

Rules: starts and stops things, and passes commands on; pollers, dispatchers and the store decide.
Signals belong to `serving`. Stopping takes at most ten seconds: no new attempts are started, those
under way get a few seconds to finish, then everything is cancelled.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal

import anyio
import structlog

from watcher import __version__, logs
from watcher.clock import Clock, wall_clock
from watcher.conditions import ExpressionError
from watcher.config.model import Config
from watcher.control import SOMEBODY
from watcher.daemon.clock_jumps import ClockJumpDetector
from watcher.daemon.disk import Disk
from watcher.daemon.entry_keys import EntryKeys
from watcher.daemon.heartbeat import HeartbeatLoop, Pulse
from watcher.daemon.link_keys import LinkKeys
from watcher.daemon.loops import Loops
from watcher.daemon.pass_report import PassReport
from watcher.daemon.plans import attributes_of_words, plan_receivers, plan_source
from watcher.daemon.raw_rows import find_raw_row
from watcher.daemon.receiver_probe import probe
from watcher.daemon.sample import send_sample
from watcher.daemon.scrape import Scrape
from watcher.daemon.slices import in_slices
from watcher.daemon.store_loss import StoreLossDetector
from watcher.daemon.watchdog import Watchdog
from watcher.dispatcher import Dispatcher
from watcher.dispatcher.burial import bury
from watcher.dispatcher.silences import SilenceRegistry, acknowledge, take_back
from watcher.errors import Problem, SourceError, grouped
from watcher.feed import Feed
from watcher.metrics import Metrics
from watcher.model import rfc3339
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline.forgetting import unwatched
from watcher.poller import Network, SourcePlan, SourcePoller
from watcher.poller.request_plan import SharedBudget, describe_plan, shared_budgets
from watcher.records import Action, Actor, Recorded, Trouble, again
from watcher.redaction import Visibility
from watcher.runtime import Publish, Runtime
from watcher.settings.durations import format_duration
from watcher.standing import Standing, counted, worst
from watcher.store import Store
from watcher.store.retrying import Retrier
from watcher.transport import Transport
from watcher.web import Freshness

__all__ = ["GRACE", "Daemon"]

GRACE = 6.0
"""Seconds that attempts under way get to finish when the daemon stops."""

PRUNE_EVERY, PRUNE_AGAIN = 3600.0, 300.0
"""Seconds between two prunings, and until the next try while the clock is not trusted."""

MEASURE_EVERY = 15.0
"""Seconds between two checks for a jump of the clock, and between two
counts of what the log left out.
"""

MOST = 500
"""Sources that have series of their own where no server is configured."""


class Daemon:
    """Everything that runs, over an open store. Implements `control.DaemonControl`."""

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
        self.store = store
        store.scrub = config.redactor.scrub
        self.transport = transport
        self.silence_registry = SilenceRegistry(
            store, lambda: self.config.silences, lambda: self.config.timezone, clock
        )
        self.link_keys = LinkKeys(store, lambda: self.config)
        self.entry_keys = EntryKeys(clock)
        self.listening = ""
        """The address of the pages on this machine, empty where there are none."""
        self.metrics = Metrics()
        self.runtime = Runtime(
            store=store,
            clock=clock,
            metrics=self.metrics,
            rules=lambda: self.config.rules,
            keeps_texts=config.store_texts,
            zone=lambda: self.config.timezone or UTC,
            silences=self.silence_registry,
            links=self.link_keys.links,
            publish=self._publish,
            confirm=self._confirm,
            receivers=lambda: len(self.dispatchers),
            wake=self._wake,
            admit=self._admit,
        )
        self.disk = Disk(self.runtime, lambda: self.config.least_free)
        self.network = Network(self.runtime)
        self.pollers: dict[str, SourcePoller] = {}
        self.dispatchers: dict[str, Dispatcher] = {}
        self._clock = clock
        self._started = self._configured = clock()
        self._refused: Trouble | None = None
        self._weak: dict[Problem, None] = dict.fromkeys(config.weak)
        self._echo = echo
        self._recorded = 0
        self.feed = Feed()
        """Wakes whoever follows the log."""
        self._retrier = retrier or Retrier(clock)
        self._describe_process()
        self._poller_loops = Loops("poller")
        self._dispatcher_loops = Loops("dispatcher")
        loops = (self._poller_loops, self._dispatcher_loops)
        self.watchdog = Watchdog(loops, self._retrier, self.metrics)
        self.scrape = Scrape(
            self.runtime,
            self.pollers,
            self.dispatchers,
            transport,
            most=lambda: MOST if (server := self.config.server) is None else server.metrics_sources,
        )
        """What Prometheus gets."""
        self._clock_jumps = ClockJumpDetector(store, clock, self._skews)
        self.store_loss = StoreLossDetector(store, clock)
        pulse = Pulse(self.freshness, self.store_failing, self.stuck)
        self.heartbeat = HeartbeatLoop(
            lambda: self.config.heartbeat, pulse, transport, clock, self.metrics.heartbeat
        )
        self._scope: anyio.CancelScope | None = None
        self._polling = anyio.CancelScope()
        for index, source in enumerate(config.sources):
            self.add_source(plan_source(source, transport, index, len(config.sources)))
        if receivers is None:
            receivers = plan_receivers(config.receivers, transport, config.redactor.scrub)
        for plan in receivers:
            self.add_receiver(plan)

    # -- sources and receivers ----------------------------------------------------------------

    def add_source(self, plan: SourcePlan) -> None:
        """Add a source; its loop starts with the daemon, or at once if the daemon is running."""
        poller = self.pollers[plan.name] = SourcePoller(plan, self.runtime, self.network)
        self._poller_loops.start(plan.name, poller.run, idle=lambda: poller.delay() > 0)

    async def remove_source(self, source: str) -> None:
        """Stop and remove a source; a step under way gets a few seconds to finish."""
        with anyio.move_on_after(GRACE):
            await self.pollers[source].halt()
        await self._poller_loops.end(source)
        await self.pollers.pop(source).plan.close()
        self.network.leave(source)

    def add_receiver(self, plan: ReceiverPlan) -> None:
        """Add a receiver; its loop starts with the daemon, or at once if the daemon is running."""
        dispatcher = self.dispatchers[plan.name] = Dispatcher(plan, self.runtime)
        self._dispatcher_loops.start(plan.name, dispatcher.run)

    async def remove_receiver(self, receiver: str) -> None:
        """Stop and remove a receiver; attempts under way get a few seconds to finish."""
        dispatcher = self.dispatchers[receiver]
        with anyio.move_on_after(GRACE):
            await dispatcher.stop()
        await self._dispatcher_loops.end(receiver)
        del self.dispatchers[receiver]
        await dispatcher.plan.notifier.close()
        await self.store.unclaim(receiver)
        self.metrics.forget_receiver(receiver)

    async def retire_unconfigured(self) -> None:
        """Settle deliveries whose receiver, rules or source are no longer configured."""
        for receiver in (await self.store.pending()).keys() - self.dispatchers.keys():
            await bury(self.runtime, receiver)
        await self.store.retire_unconfigured(
            self.dispatchers.keys(),
            {rule.name for rule in self.config.rules},
            self.pollers.keys(),
            self._clock(),
        )

    async def _confirm(self, source: str, conversation: str) -> bool:
        poller = self.pollers.get(source)
        return poller is not None and await poller.confirm(conversation)

    async def _admit(self, source: str, size: int) -> None:
        await self.disk.admit(source, size)

    def _publish(self, recorded: Sequence[Recorded]) -> None:
        if recorded:
            self.feed.tell()
            self._recorded += len(recorded)
            for dispatcher in self.dispatchers.values():
                dispatcher.wake()
            if self._echo is not None:
                self._echo(recorded)

    def _wake(self, receiver: str) -> None:
        if receiver in self.dispatchers:
            self.dispatchers[receiver].wake()

    # -- running ------------------------------------------------------------------------------

    async def open(self) -> None:
        """Adopt what an earlier run, or another configuration, left in the store."""
        await self.store.unclaim()
        if await self.store.keep_texts(
            self.config.store_texts, attributes_of_words(self.config.sources)
        ):
            structlog.get_logger().info(
                "texts are no longer stored: those that were are overwritten"
            )
        await self._clock_jumps.open()
        await self.retire_unconfigured()
        await self.silence_registry.open()
        await self.link_keys.open()
        await self.scrape.open()
        await self.network.open()
        await self.disk.open()

    async def run(self) -> None:
        """Run until `stop` is called or the task is cancelled."""
        await self.open()
        async with anyio.create_task_group() as tasks:
            self._scope = tasks.cancel_scope
            tasks.start_soon(self._dispatcher_loops.run, name="dispatchers")
            tasks.start_soon(self._poll, name="pollers")
            tasks.start_soon(self._prune, name="prune")
            tasks.start_soon(self._measure, name="measure")
            tasks.start_soon(self.watchdog.run, name="watchdog")
            tasks.start_soon(self.store_loss.run, name="store loss")
            tasks.start_soon(self.disk.run, name="disk")
            tasks.start_soon(self.heartbeat.run, name="heartbeat")

    async def once(self) -> PassReport:
        """Make one pass: every source, then what is due. Return what it did."""
        await self.open()
        unread: dict[str, str] = {}

        async def poll_once(poller: SourcePoller) -> None:
            if not await poller.once():
                unread[poller.plan.name] = poller.trouble

        async with anyio.create_task_group() as tasks:
            for poller in self.pollers.values():
                tasks.start_soon(poll_once, poller)
        async with anyio.create_task_group() as tasks:
            for dispatcher in self.dispatchers.values():
                tasks.start_soon(dispatcher.drain)
        dispatchers = self.dispatchers.values()
        return PassReport(
            sources=len(self.pollers),
            unread=unread,
            events=self._recorded,
            delivered=sum(one.tally["delivered"] for one in dispatchers),
            failed=sum(one.tally["retry"] + one.tally["dead"] for one in dispatchers),
            troubled={one.plan.name: one.trouble for one in dispatchers if one.trouble},
        )

    async def stop(self) -> None:
        """Stop polling, give attempts under way a few seconds to finish, then cancel the rest."""
        self._polling.cancel()
        with anyio.move_on_after(GRACE):
            async with anyio.create_task_group() as tasks:
                for dispatcher in self.dispatchers.values():
                    tasks.start_soon(dispatcher.stop)
        self.cancel()

    def cancel(self) -> None:
        """Stop at once."""
        self.feed.close()  # or the servers would wait for whoever follows the log
        if self._scope is not None:
            self._scope.cancel()

    async def close(self) -> None:
        """Close connections, and the worker processes of notifiers."""
        for poller in self.pollers.values():
            await poller.plan.close()
        for dispatcher in self.dispatchers.values():
            await dispatcher.plan.notifier.close()

    async def _poll(self) -> None:
        with self._polling:
            await self._poller_loops.run()

    async def _prune(self) -> None:
        while True:
            # With a wrong clock, everything would look old enough to be removed.
            if not self._clock_jumps.trusted():
                await anyio.sleep(PRUNE_AGAIN)
                continue
            now, retention = self._clock(), self.config.retention
            if (longest := retention.pending) is not None:
                reason = (
                    f"it could not be sent for {format_duration(longest)} (`retention.pending`)"
                )
                for dispatcher in self.dispatchers.values():
                    await dispatcher.give_up(now - longest, reason)
            await self._forget_unwatched(now - retention.events, now)
            removed = await self.store.prune(now - retention.events, now - retention.deliveries)
            if removed:
                structlog.get_logger().info("old records removed", rows=removed)
            await anyio.sleep(PRUNE_EVERY)

    async def _forget_unwatched(self, before: datetime, now: datetime) -> None:
        """Forget the conversations of sources that were last looked at before then."""
        for commit in unwatched(await self.store.sources(), self.pollers, before, now):
            await self.store.commit(commit)
            structlog.get_logger().info("a former source is forgotten", source=commit.source)

    async def _measure(self) -> None:
        while True:
            # After a jump, a pause of a receiver could last as long as the clock moved.
            if await self._clock_jumps.look():
                for dispatcher in self.dispatchers.values():
                    await dispatcher.probe()
            elif self._clock_jumps.stood:
                for dispatcher in self.dispatchers.values():
                    dispatcher.wake()
            logs.tell_rest()
            await anyio.sleep(MEASURE_EVERY)

    def _describe_process(self) -> None:
        """Set what is known from the start, and have the rest read when somebody asks."""
        metrics, schema = self.metrics, str(self.config.store.schema)
        metrics.build.labels(__version__, platform.python_version(), schema).set(1)
        metrics.store_failing.set_function(lambda: self.store_failing() is not None)
        metrics.streams.set_function(lambda: self.feed.followers)
        metrics.reload_worked.set_function(lambda: self._refused is None)
        metrics.reloaded.set_function(lambda: self._configured.timestamp())
        metrics.keep_rules([rule.name for rule in self.config.rules])
        self._retrier.took = metrics.commit_seconds.observe

    def _skews(self) -> Iterator[timedelta]:
        for poller in self.pollers.values():
            if (skew := poller.session.skew) is not None:
                yield skew

    # -- status -------------------------------------------------------------------------------

    async def sources(
        self, named: Sequence[str] | None = None, most: int | None = None, within: str = ""
    ) -> tuple[list[dict[str, Any]], Mapping[Standing, int]]:
        """Return the status of these sources as plain JSON, or of the `most` that stand worst; and how
        many of all there are in each state. With `within`, there are only those that fit this glob.
        """
        stand: dict[str, tuple[Standing, float]] = {}
        async for name, poller in in_slices(self.pollers.items()):
            if within and not fnmatchcase(name, within):
                continue
            # What was never read is the worst of its kind.
            stand[name] = poller.standing(), poller.lag() if poller.looked else math.inf
        shown = worst(stand, most) if named is None else named
        shared = await self._shares() if shown else {}
        rows = [
            {**self.pollers[name].status(), "plan": describe_plan(name, shared.get(name))}
            async for name in in_slices(shown)
            if name in stand and name in self.pollers  # a reload may have removed it meanwhile
        ]
        return rows, counted(standing for standing, _lag in stand.values())

    async def progress(self, source: str) -> Mapping[str, Any]:
        """Return the last looks at a source, and when the next ones are due."""
        return self.pollers[source].progress()

    async def standings(self) -> Mapping[str, Standing]:
        """Return how each source stands, in a word."""
        return {name: poller.standing() async for name, poller in in_slices(self.pollers.items())}

    def freshness(self) -> Iterator[Freshness]:
        """Yield how lately each source was read: all that a probe asks for, which comes often."""
        for name, poller in [*self.pollers.items()]:  # a reload may come between
            yield Freshness(name, poller.attempted, poller.stale(), poller.lag())

    async def _shares(self) -> Mapping[str, SharedBudget]:
        """Return, by source, the request budget that it shares with others; sources whose provider
        does not say what walks cost are left out.
        """
        plans = [poller.request_plan() async for poller in in_slices(self.pollers.values())]
        return {
            plan.source: share
            for share in shared_budgets(plan for plan in plans if plan.priced)
            for plan in share.plans
        }

    def store_failing(self) -> Mapping[str, Any] | None:
        """Return why the store does not work at the moment, None if it works; `lost` is whether its
        file is gone.
        """
        lost = self.store_loss.trouble
        trouble = lost or self._retrier.trouble
        return {**trouble.to_plain(), "lost": lost is not None} if trouble is not None else None

    def disk_low(self) -> Mapping[str, Any] | None:
        """Return that little is left of the store's disk, None while enough is."""
        return None if self.disk.trouble is None else self.disk.trouble.to_plain()

    def stuck(self) -> list[dict[str, Any]]:
        """Return the stuck loops as plain JSON."""
        return [one.plain() for one in self.watchdog.stuck]

    async def status(
        self, sources: Sequence[str] | None = None, most: int | None = None, within: str = ""
    ) -> Mapping[str, Any]:
        """Return the status of everything as plain JSON (see `control.Control`)."""
        rows, standing = await self.sources(sources, most, within)
        return {
            "daemon": self._about(),
            "sources": rows,
            "standing": standing,
            "receivers": [one.status() for one in self.dispatchers.values()],
            "network_failing": self.network.failing,
            "store_failing": self.store_failing(),
            "disk": self.disk_low(),
            "stuck": self.stuck(),
            "over_budget": self.metrics.rules_over_budget(),
            "weak": [*grouped(self.config.places.in_order(self._weak))],
        }

    async def look_closer(self) -> tuple[Problem, ...]:
        """Have the kinds of receivers look at theirs; return what they find beyond the warnings of the
        configuration.
        """
        config = self.config
        found = await probe(config.receivers, config.places)
        if config is self.config:  # else a reload looks for itself
            self._weak = dict.fromkeys((*config.weak, *found.weak))
        known = set(config.warnings)
        return tuple(one for one in (*found.problems, *found.weak) if one not in known)

    def _about(self) -> dict[str, Any]:
        """Return what the process is, and how it stands with its configuration."""
        return {
            "version": __version__,
            "process": os.getpid(),
            "started": rfc3339(self._started),
            "uptime": max(0.0, (self._clock() - self._started).total_seconds()),
            "configured": rfc3339(self._configured),
            "refused": self._refused.to_plain() if self._refused is not None else None,
        }

    def take_up(self, config: Config) -> None:
        """Let another configuration be in force: what reads it, reads it from now on."""
        self.config = config
        self.transport.addresses = config.network.addresses
        self.metrics.keep_rules([rule.name for rule in config.rules])
        self._weak = dict.fromkeys(config.weak)
        self._configured, self._refused = self._clock(), None
        self.heartbeat.look_again()

    def refuse(self, problems: Sequence[str]) -> None:
        """Remember that the configuration was refused, and why; the present one goes on."""
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        remedy = "`inbox-watcher check` says more; then `inbox-watcher reload`"
        self._refused = Trouble(self._clock(), f"{problems[0]}{more}", remedy)

    # -- commands -----------------------------------------------------------------------------

    async def retry(self, ids: Sequence[str] | None, by: Actor = SOMEBODY) -> int:
        """Make dead deliveries pending again (None: all of them); return how many."""
        count = await self.store.retry(ids, self._clock(), again(ids, by, self._clock()))
        for dispatcher in self.dispatchers.values():
            await dispatcher.probe()
        return count

    async def add_silence(
        self, match: str, reason: str, ends: datetime, by: Actor = SOMEBODY
    ) -> str:
        """Silence what matches from now until `ends`; return the silence's id. Raise ValueError for
        an invalid `match`.
        """
        try:
            return await self.silence_registry.add(match, reason, ends, by)
        except ExpressionError as failure:
            raise ValueError(failure.message) from None

    async def expire_silence(self, silence: str, by: Actor = SOMEBODY) -> bool:
        """End an added silence now; return False if no active silence has this id."""
        return await self.silence_registry.expire(silence, by)

    async def extend_silence(self, silence: str, ends: datetime, by: Actor = SOMEBODY) -> bool:
        """Let an added silence last until `ends`; return False if there is none with this id."""
        return await self.silence_registry.extend(silence, ends, by)

    async def silences(self) -> Sequence[Mapping[str, Any]]:
        """Return every silence, configured or added, as plain JSON."""
        return await self.silence_registry.listing()

    async def acknowledge(self, source: str, conversation: str, by: Actor = SOMEBODY) -> int:
        """Cancel pending `for` and `repeat` deliveries about a conversation, which who acts has taken
        now; return how many. Raise KeyError for an unknown source.
        """
        if source not in self.pollers:
            raise KeyError(f"source {source}")
        return await acknowledge(self.store, source, conversation, by, self._clock())

    def visibility(self, receiver: str) -> Visibility | None:
        """Return what a receiver may see, None where it gets no links or is not configured."""
        dispatcher = self.dispatchers.get(receiver)
        if dispatcher is None or not dispatcher.plan.links:
            return None
        return dispatcher.plan.visibility

    async def renew_links(self, *, keep: bool, by: Actor = SOMEBODY) -> bool:
        """Sign links with a new key; return False if the key is in the configuration."""
        return await self.link_keys.renew(by, self._clock(), keep=keep)

    async def take_back(self, source: str, conversation: str, by: Actor = SOMEBODY) -> bool:
        """Take an acknowledgement back; return False if nobody has taken the conversation. Raise KeyError
        for an unknown source.
        """
        if source not in self.pollers:
            raise KeyError(f"source {source}")
        return await take_back(self.store, source, conversation, by, self._clock())

    async def release(
        self, source: str, *, accept: bool, since: datetime, by: Actor = SOMEBODY
    ) -> bool:
        """Accept or discard the sweep that is held since then; return False if that one is not held.
        Raise KeyError for an unknown source.
        """
        poller = self.pollers.get(source)
        if poller is None:
            raise KeyError(f"source {source}")
        return await poller.release(accept=accept, since=since, by=by)

    async def look_now(
        self, source: str, step: Literal["poll", "sweep"], by: Actor = SOMEBODY
    ) -> float:
        """Have a source polled or swept now; return for how many seconds that cannot be asked for again.
        Raise KeyError for an unknown source.
        """
        poller = self.pollers.get(source)
        if poller is None:
            raise KeyError(f"source {source}")
        return await poller.look_now(step, by)

    async def turn_on(self, receiver: str, by: Actor = SOMEBODY) -> None:
        """Send to a receiver again that was turned off. Raise KeyError for an unknown receiver."""
        dispatcher = self.dispatchers.get(receiver)
        if dispatcher is None:
            raise KeyError(f"receiver {receiver}")
        await dispatcher.turn_on(Action(self._clock(), by, "turn on", receiver))

    async def send_test(self, receiver: str) -> Mapping[str, Any]:
        """Send a sample to a receiver, and turn it on if it was off and takes it (see
        `control.DaemonControl`). Raise KeyError for an unknown receiver.
        """
        dispatcher = self.dispatchers.get(receiver)
        if dispatcher is None:
            raise KeyError(f"receiver {receiver}")
        answer = await send_sample(dispatcher.plan, self.config, self._clock)
        works, was_off = answer["outcome"] == "ok", bool((await dispatcher.remembered()).off)
        if works and was_off:
            await dispatcher.turn_on()
        elif works:
            await dispatcher.probe()  # what waits for a pause to end goes now
        return {**answer, "turned_on": works and was_off}

    async def open_page(self, by: Actor = SOMEBODY) -> str:
        """Return an address that signs in who opens it (see `control.DaemonControl`)."""
        server = self.config.server
        if server is None or not self.listening:
            raise ValueError("there are no pages: the server is turned off (`server: false`)")
        return f"{server.public_url or self.listening}/enter#{self.entry_keys.make(by)}"

    async def raw_row(self, source: str, conversation: str) -> Mapping[str, Any] | None:
        """Return the provider's row of a known conversation (see `control.DaemonControl`)."""
        one = next((each for each in self.config.sources if each.name == source), None)
        if one is None:
            raise KeyError(f"source {source}")
        known = await self.store.known(source, [conversation])
        if conversation not in known:
            raise KeyError(f"conversation {conversation} of {source}")
        state = await self.store.source(source)
        try:
            return await find_raw_row(one, self.transport, known[conversation], state)
        except SourceError as failure:
            raise ValueError(f"{failure.reason}; {failure.remedy}") from None
