"""The store in dictionaries: the specification of every other store, and what `--dry-run` uses.

Law: clear before fast. Each method does its work without awaiting anything, so that no other
task sees half of it and no cancellation cuts it; all checks come before the first change.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from watcher.errors import Conflict, StoreError
from watcher.model import Delivery, Event, Snapshot
from watcher.records import (
    Commit,
    DeliveryQuery,
    EventQuery,
    ReceiverState,
    Recorded,
    Settlement,
    SourceState,
)
from watcher.store._outbox import FORGOTTEN, Owed, eligible, made_at

__all__ = ["MemoryStore"]


class MemoryStore:
    """Implements `watcher.store.Store`; nothing outlives the process."""

    def __init__(self) -> None:
        self._sources: dict[str, SourceState] = {}
        self._receivers: dict[str, ReceiverState] = {}
        self._snapshots: dict[str, dict[str, Snapshot]] = {}
        self._log: dict[str, Recorded] = {}
        self._last = 0
        self._outbox: dict[str, Owed] = {}

    @classmethod
    def load(
        cls,
        *,
        sources: Iterable[SourceState] = (),
        snapshots: Iterable[tuple[str, Snapshot]] = (),
        events: Iterable[Recorded] = (),
        outbox: Iterable[Owed] = (),
        receivers: Iterable[ReceiverState] = (),
    ) -> MemoryStore:
        """Make a store that holds this already; snapshots come with their source's name, events
        and the outbox in their order.
        """
        store = cls()
        store._sources = {state.name: state for state in sources}
        store._receivers = {state.name: state for state in receivers}
        for source, snapshot in snapshots:
            store._snapshots.setdefault(source, {})[snapshot.conversation.id] = snapshot
        store._log = {recorded.event.id: recorded for recorded in events}
        store._last = max((recorded.seq for recorded in store._log.values()), default=0)
        store._outbox = {owed.delivery.key: owed for owed in outbox}
        return store

    # What is known of sources

    async def source(self, name: str) -> SourceState | None:
        return self._sources.get(name)

    async def sources(self) -> Sequence[SourceState]:
        return [self._sources[name] for name in sorted(self._sources)]

    async def known(self, source: str, ids: Collection[str]) -> Mapping[str, Snapshot]:
        stored = self._snapshots.get(source, {})
        return {id_: stored[id_] for id_ in ids if id_ in stored}

    async def present(self, source: str) -> Collection[str]:
        stored = self._snapshots.get(source, {})
        return frozenset(id_ for id_, snapshot in stored.items() if snapshot.present)

    async def members(self, source: str, name: str) -> Collection[str]:
        stored = self._snapshots.get(source, {})
        return frozenset(
            id_
            for id_, snapshot in stored.items()
            if snapshot.present and _is_member(snapshot, name)
        )

    # Committing

    async def commit(self, commit: Commit) -> Sequence[Recorded]:
        self._check(commit)
        return self._apply(commit)

    def _check(self, commit: Commit) -> None:
        """Raise what forbids the commit, before anything of it is written."""
        stored = {} if commit.forget else self._snapshots.get(commit.source, {})
        revisions = {id_: snapshot.revision for id_, snapshot in stored.items()}
        for snapshot in commit.snapshots:
            id_ = snapshot.conversation.id
            if snapshot.revision != revisions.get(id_, 0) + 1:
                raise Conflict(f"conversation {id_} of {commit.source} has moved on meanwhile")
            revisions[id_] = snapshot.revision
        recorded = self._log.keys() | {event.id for event in commit.events}
        for delivery in commit.deliveries:
            if delivery.event.id not in recorded:
                raise StoreError(f"delivery {delivery.key} carries an event that is not recorded")

    def _apply(self, commit: Commit) -> Sequence[Recorded]:
        at = made_at(commit)
        if commit.forget:
            self._snapshots.pop(commit.source, None)
            for owed in tuple(self._outbox.values()):
                if owed.runs and owed.topic[0] == commit.source:
                    self._keep(owed.finished(FORGOTTEN, at))
        stored = self._snapshots.setdefault(commit.source, {})
        for id_, snapshot in stored.items() if commit.unsee else ():
            stored[id_] = replace(snapshot, seen=snapshot.seen - commit.unsee)
        for snapshot in commit.snapshots:
            stored[snapshot.conversation.id] = snapshot
        if commit.state is not None:
            self._sources[commit.state.name] = commit.state

        repeated = self._log.keys() & {event.id for event in commit.events}
        new = [self._record(event) for event in commit.events if event.id not in self._log]
        for end in commit.ends:
            for owed in tuple(self._outbox.values()):
                if owed.concerns(end):
                    self._keep(owed.finished(end.note, at))
        for delivery in commit.deliveries:
            if delivery.event.id not in repeated:
                self._add(delivery)
        return new

    def _record(self, event: Event) -> Recorded:
        self._last += 1
        recorded = self._log[event.id] = Recorded(self._last, event)
        return recorded

    def _add(self, delivery: Delivery) -> None:
        """Put a delivery at the outbox's end; it carries the event as the log has it."""
        if delivery.key in self._outbox:
            return
        if not any(owed.keeps_away(delivery) for owed in self._outbox.values()):
            self._keep(Owed(replace(delivery, event=self._log[delivery.event.id].event)))

    def _keep(self, owed: Owed) -> None:
        self._outbox[owed.delivery.key] = owed

    # Delivering

    async def claim(
        self,
        receiver: str,
        now: datetime,
        *,
        lease: timedelta,
        limit: int,
        relaxed: bool = False,
        together: bool = False,
    ) -> Sequence[Delivery]:
        waiting = self._waiting(receiver)
        chosen = eligible(waiting, now, limit=limit, relaxed=relaxed, together=together)
        taken = [owed.claimed(now + lease) for owed in chosen]
        for owed in taken:
            self._keep(owed)
        return [owed.delivery for owed in taken]

    async def settle(
        self,
        settlements: Sequence[Settlement],
        *,
        receiver: ReceiverState | None = None,
        commit: Commit | None = None,
    ) -> Sequence[Recorded]:
        if commit is not None:
            self._check(commit)
        for outcome in settlements:
            if outcome.key in self._outbox:
                self._keep(self._outbox[outcome.key].settled(outcome))
        if receiver is not None:
            self._receivers[receiver.name] = receiver
        return self._apply(commit) if commit is not None else []

    async def unclaim(self) -> None:
        for owed in tuple(self._outbox.values()):
            self._keep(replace(owed, lease=None))

    async def next_due(self, receiver: str, *, after: datetime | None = None) -> datetime | None:
        dues = (owed.delivery.due for owed in self._waiting(receiver))
        return min((due for due in dues if after is None or due > after), default=None)

    async def sent_since(self, receiver: str, since: datetime) -> Sequence[datetime]:
        sent = {
            owed.delivery.settled
            for owed in self._outbox.values()
            if owed.delivery.receiver == receiver and owed.delivery.state == "delivered"
        }
        return sorted(at for at in sent if at is not None and at >= since)

    async def receivers(self) -> Mapping[str, ReceiverState]:
        return {name: self._receivers[name] for name in sorted(self._receivers)}

    async def save_receiver(self, state: ReceiverState) -> None:
        self._receivers[state.name] = state

    def _waiting(self, receiver: str) -> Iterator[Owed]:
        """Give a receiver's pending rows in the order in which they entered the outbox."""
        for owed in self._outbox.values():
            if owed.waits and owed.delivery.receiver == receiver:
                yield owed

    # Reading the log and the outbox

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        found = [recorded for recorded in self._log.values() if _matches_event(query, recorded)]
        return found[-query.limit :] if query.limit > 0 else []

    async def deliveries(self, query: DeliveryQuery) -> Sequence[Delivery]:
        found = [
            owed.delivery
            for owed in self._outbox.values()
            if _matches_delivery(query, owed.delivery)
        ]
        return found[-query.limit :] if query.limit > 0 else []

    async def pending(self) -> Mapping[str, int]:
        return Counter(owed.delivery.receiver for owed in self._outbox.values() if owed.waits)

    # What people and time do to the outbox

    async def retry(self, ids: Collection[str] | None, now: datetime) -> int:
        dead = [
            owed
            for owed in self._outbox.values()
            if owed.delivery.state == "dead"
            and (ids is None or owed.delivery.id in ids or owed.delivery.key in ids)
        ]
        for owed in dead:
            self._keep(owed.retried(now))
        return len(dead)

    async def bury(
        self,
        receivers: Collection[str],
        rules: Collection[str],
        sources: Collection[str],
        now: datetime,
    ) -> int:
        count = 0
        for owed in tuple(self._outbox.values()):
            changed = owed.reconfigured(receivers, rules, sources, now)
            count += owed.waits and not changed.waits
            self._keep(changed)
        return count

    async def prune(self, events: datetime, deliveries: datetime) -> int:
        before = len(self._outbox) + len(self._log)
        self._outbox = {
            key: owed for key, owed in self._outbox.items() if not owed.outlived(deliveries)
        }
        carried = {owed.delivery.event.id for owed in self._outbox.values()}
        self._log = {
            id_: recorded
            for id_, recorded in self._log.items()
            if recorded.event.time >= events or id_ in carried
        }
        return before - len(self._outbox) - len(self._log)

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


def _is_member(snapshot: Snapshot, name: str) -> bool:
    match name:
        case "unread":
            return snapshot.conversation.unread
        case "unassigned":
            return snapshot.conversation.assignee is None
    raise ValueError(f"a store knows the members 'unread' and 'unassigned', not {name!r}")


def _matches_event(query: EventQuery, recorded: Recorded) -> bool:
    event = recorded.event
    return (
        (query.after is None or recorded.seq > query.after)
        and (query.since is None or event.time >= query.since)
        and (query.type is None or _glob(query.type, event.type))
        and query.source in (None, event.source)
        and (query.conversation is None or event.subject == query.conversation)
        and query.id in (None, event.id)
    )


def _matches_delivery(query: DeliveryQuery, delivery: Delivery) -> bool:
    return (
        query.state in (None, delivery.state)
        and query.receiver in (None, delivery.receiver)
        and query.event in (None, delivery.event.id)
        and query.id in (None, delivery.id)
    )


def _glob(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
