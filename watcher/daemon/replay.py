"""Rules and deliveries in a time of their own: what would be sent, when, to whom, by which rule.

Rules: the production code decides (pipeline, guards, dispatchers) over a store of its own; the clock
stands still between two moments at which something is due, nothing is polled and nothing leaves
the process. Every receiver takes every message.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from watcher.catalogue.events import ENDING_EVENTS
from watcher.clock import wall_clock
from watcher.config.model import Config
from watcher.daemon.plans import plan_receivers
from watcher.dispatcher import Dispatcher
from watcher.dispatcher.silences import acknowledge
from watcher.model import Event, Observation, Result, from_plain, to_plain
from watcher.notify import Notice
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import Sighting, SourcePolicy, decide, remove, route
from watcher.pipeline.existing import first_look
from watcher.records import Actor, Commit, DeliveryQuery, End, SourceState
from watcher.rules import Silence, state_ends
from watcher.rules.existing import rules_that_look
from watcher.rules.resolved import rules_that_tell
from watcher.runtime import Runtime
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.transport import Transport

__all__ = ["Replay", "Sent", "plans_for"]

_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that would have been sent. `rules` are those that caused it; `text` is whether
    the receiver gets title and body rather than the event.
    """

    at: datetime
    receiver: str
    rules: tuple[str, ...]
    event: Event
    title: str
    body: str
    text: bool


async def plans_for(config: Config) -> tuple[ReceiverPlan, ...]:
    """Plan the configured receivers; with these plans alone nothing can be sent."""
    async with Transport(wall_clock) as transport:
        return plan_receivers(config.receivers, transport, config.redactor.scrub)


class Replay:
    """Runs events through the rules of a configuration, from `start` on.

    `silences` are all that count; None for those of the configuration. `store` keeps what happens,
    by default in memory. `take` gets each message; by default they gather in `sent`.
    """

    def __init__(
        self,
        config: Config,
        plans: Sequence[ReceiverPlan],
        start: datetime,
        silences: tuple[Silence, ...] | None = None,
        *,
        store: Store | None = None,
        take: Callable[[Sent], None] | None = None,
    ) -> None:
        self.now = start
        self.sent: list[Sent] = []
        self.store: Store = store or MemoryStore()
        self._take = take or self.sent.append
        self._woken = False
        self._config = config
        self._state = SourceState("", "", "", baselined=start)
        in_force = config.silences if silences is None else silences
        runtime = Runtime(
            store=self.store,
            clock=lambda: self.now,
            rules=lambda: config.rules,
            zone=lambda: config.timezone or UTC,
            silences=lambda: in_force,
            wake=self._wake,
        )
        self._dispatchers = [
            Dispatcher(
                dataclasses.replace(plan, notifier=_Recorder(self, plan)),
                runtime,
            )
            for plan in plans
        ]

    # -- what happens -------------------------------------------------------------------------

    async def until(self, then: datetime) -> None:
        """Advance the time, sending everything that falls due."""
        await self._drain()
        while (due := await self._next()) is not None and due <= then:
            self.now = max(due, self.now)
            await self._drain()
        self.now = max(then, self.now)

    async def baseline(self, source: str, provider: str, row: Observation) -> None:
        """Store a conversation as it was before, without events."""
        await self._see(source, provider, row, dataclasses.replace(self._state, baselined=None))
        known = await self.store.known(source, [row.id])
        rules = rules_that_look(self._config.rules)
        commit, _ = first_look(
            self._policy(source, provider), self._state, rules, known.values(), self.now
        )
        await self._commit(commit)

    async def see(
        self, source: str, provider: str, row: Observation, only: str | None = None
    ) -> Sequence[str]:
        """Show a conversation now, as a provider would; return the types of the resulting events.

        With `only`, events of other types are left out.
        """
        return await self._see(source, provider, row, self._state, only)

    async def remove(self, source: str, provider: str, conversation: str) -> bool:
        """Delete a conversation at the provider; return False if it does not exist."""
        known = await self.store.known(source, [conversation])
        if conversation not in known or not known[conversation].present:
            return False
        decision = remove(
            self._policy(source, provider),
            self._state,
            known[conversation],
            "deleted",
            self._sighting(),
        )
        await self._commit(decision.commit)
        return True

    async def record_events(self, events: Sequence[Event]) -> None:
        """Process events as they were recorded, all of one moment and one conversation (or of none)."""
        owing = [route(self._config.rules, event) for event in events]
        await self._commit(
            Commit(
                events[0].source,
                events=tuple(events),
                deliveries=tuple(one for each in owing for one in each.deliveries),
                ends=tuple(_ends(self._config, events)),
                at=events[0].time,
            )
        )

    async def acknowledge(self, source: str, conversation: str) -> None:
        """Acknowledge a conversation."""
        await acknowledge(self.store, source, conversation, Actor(), self.now)

    async def known(self, source: str, conversation: str) -> Mapping[str, object] | None:
        """Return the state in which a conversation was last shown, as plain JSON."""
        snapshot = (await self.store.known(source, [conversation])).get(conversation)
        return to_plain(snapshot.conversation) if snapshot is not None else None

    # -- how it is decided --------------------------------------------------------------------

    async def _see(
        self,
        source: str,
        provider: str,
        row: Observation,
        state: SourceState,
        only: str | None = None,
    ) -> Sequence[str]:
        known = await self.store.known(source, [row.id])
        decision = decide(self._policy(source, provider), state, known, [row], self._sighting())
        commit = decision.commit
        if commit is None:
            return ()
        types = [event.type for event in commit.events]
        if only is not None:
            events = tuple(event for event in commit.events if event.type == only)
            kept = {event.id for event in events}
            owed = tuple(one for one in commit.deliveries if one.event.id in kept)
            commit = dataclasses.replace(commit, events=events, deliveries=owed)
        await self._commit(commit)
        return types

    async def _commit(self, commit: Commit | None) -> None:
        if commit is not None:
            await self.store.commit(commit)
        await self._drain()

    def _policy(self, source: str, provider: str) -> SourcePolicy:
        # What a test shows is what happened: no row of it is torn.
        return SourcePolicy(source, provider, "replay", self._config.rules, torn={})

    def _sighting(self) -> Sighting:
        return Sighting(self.now, self.now, before={}, previous=self.now - _MOMENT, admit=True)

    async def _drain(self) -> None:
        """Send what is due; a delivery redirected to another receiver is due there at once."""
        self._woken = True
        while self._woken:
            self._woken = False
            for dispatcher in self._dispatchers:
                await dispatcher.drain()

    def _wake(self, _receiver: str) -> None:
        self._woken = True

    async def _next(self) -> datetime | None:
        dues = [await dispatcher.next_due() for dispatcher in self._dispatchers]
        return min((due for due in dues if due is not None), default=None)

    async def record(self, plan: ReceiverPlan, notice: Notice) -> None:
        """Record a message; called when it is sent."""
        query = DeliveryQuery(id=notice.event.id, receiver=plan.name)
        owed = await self.store.deliveries(query)
        rules = tuple(dict.fromkeys(one.rule for one in owed))
        text = plan.notifier.text
        self._take(Sent(self.now, plan.name, rules, notice.event, notice.title, notice.body, text))


class _Recorder:
    """Stands in for a receiver's notifier: everything arrives."""

    def __init__(self, replay: Replay, plan: ReceiverPlan) -> None:
        self.text = plan.notifier.text
        self._replay = replay
        self._plan = plan

    async def send(self, notice: Notice) -> Result:
        await self._replay.record(self._plan, notice)
        return Result("ok", "replayed, not sent")

    async def close(self) -> None:
        """Close nothing."""


def _ends(config: Config, events: Sequence[Event]) -> Iterable[End]:
    """Yield the pending deliveries that recorded events end; of each event only its change is known."""
    # Events that stand before it, such as the answer's own message, show its end, too.
    answered = next((one.data for one in events if one.type == "conversation.answered"), None)
    for event in events:
        plain = event.data.get("conversation")
        if plain is None:
            if note := ENDING_EVENTS.get(event.type):
                tell = rules_that_tell(config.rules)
                yield End(event.source, None, note=note, resolved=tell)
            continue
        changes = event.data.get("changes") or {}
        before = {**plain, **{name: one["before"] for name, one in changes.items()}}
        gone = event.type == "conversation.removed"
        yield from state_ends(
            config.rules,
            from_plain(before),
            None if gone else from_plain(plain),
            source=event.source,
            provider=str(event.data.get("provider")),
            facts=answered,
        )
