"""The store in dictionaries: the specification of every other store, and what `--dry-run` uses.

Law: clear before fast. Each method does its work without awaiting anything, so that no other
task sees half of it and no cancellation cuts it; all checks come before the first change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from watcher.errors import Conflict, StoreError
from watcher.model import Delivery, Event, Snapshot
from watcher.records import (
    Commit,
    DeliveryQuery,
    EventQuery,
    HistoryEntry,
    ReceiverState,
    Recorded,
    RuleResult,
    Settlement,
    SourceState,
    StoredSilence,
    Suppressed,
    ThrottleMark,
)
from watcher.store._beliefs import Beliefs
from watcher.store._matching import matches_delivery, matches_event
from watcher.store._notes import Notes
from watcher.store._outbox import FORGOTTEN, RETRIED, Owed, collected, eligible, made_at

__all__ = ["MemoryStore"]


class MemoryStore(Beliefs, Notes):
    """Implements `watcher.store.Store`; nothing outlives the process."""

    def __init__(self) -> None:
        super().__init__()
        self._log: dict[str, Recorded] = {}
        self._last = 0

    @classmethod
    def load(
        cls,
        *,
        sources: Iterable[SourceState] = (),
        snapshots: Iterable[tuple[str, Snapshot]] = (),
        events: Iterable[Recorded] = (),
        outbox: Iterable[Owed] = (),
        receivers: Iterable[ReceiverState] = (),
        history: Iterable[HistoryEntry] = (),
        verdicts: Mapping[str, tuple[RuleResult, ...]] | None = None,
        marks: Iterable[ThrottleMark] = (),
        silences: Iterable[StoredSilence] = (),
        suppressed: Mapping[str, Suppressed] | None = None,
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
        for owed in outbox:
            store._outbox.put(owed)
        for entry in history:
            store._tell(entry)
        store._verdicts = dict(verdicts or {})
        store._remark(marks)
        store._silences = {silence.id: silence for silence in silences}
        store._suppressed = dict(suppressed or {})
        return store

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
                    self._finish(owed, FORGOTTEN, at)
        stored = self._snapshots.setdefault(commit.source, {})
        for id_, snapshot in stored.items() if commit.forget_fields else ():
            stored[id_] = replace(snapshot, seen=snapshot.seen - commit.forget_fields)
        for snapshot in commit.snapshots:
            stored[snapshot.conversation.id] = snapshot
        if commit.state is not None:
            self._sources[commit.state.name] = commit.state

        repeated = self._log.keys() & {event.id for event in commit.events}
        new = [self._record(event) for event in commit.events if event.id not in self._log]
        for recorded in new:
            if said := commit.verdicts.get(recorded.event.id):
                self._verdicts[recorded.event.id] = said
        for end in commit.ends:
            for owed in self._outbox.running((end.source, end.subject)):
                if owed.concerns(end):
                    self._finish(owed, end.note, at)
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
        topic = delivery.event.source, delivery.event.subject
        running = () if delivery.timer is None else self._outbox.running(topic)
        if not any(owed.keeps_away(delivery) for owed in running):
            self._enter(delivery)

    def _enter(self, delivery: Delivery) -> None:
        self._outbox.put(Owed(replace(delivery, event=self._log[delivery.event.id].event)))

    def _finish(self, owed: Owed, note: str, at: datetime | None) -> None:
        """End a timer; that something was cancelled by it is told."""
        if owed.waits:
            self._tell(HistoryEntry(owed.delivery.key, at, "cancelled", note))
        self._outbox.put(owed.finished(note, at))

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
        waiting = self._outbox.waiting(receiver)
        chosen = eligible(waiting, now, limit=limit, relaxed=relaxed, together=together)
        taken = [owed.claimed(now + lease) for owed in chosen]
        for owed in taken:
            self._outbox.put(owed)
        return [owed.delivery for owed in taken]

    async def collect(
        self, receiver: str, now: datetime, *, lease: timedelta
    ) -> Sequence[Delivery]:
        rows, message = collected(self._outbox.waiting(receiver), now)
        taken = [owed.claimed(now + lease, message) for owed in rows]
        for owed in taken:
            self._outbox.put(owed)
        return [owed.delivery for owed in taken]

    async def settle(
        self,
        settlements: Sequence[Settlement],
        *,
        receiver: ReceiverState | None = None,
        commit: Commit | None = None,
        marks: Sequence[ThrottleMark] = (),
    ) -> Sequence[Recorded]:
        if commit is not None:
            self._check(commit)
        for outcome in settlements:
            owed = self._outbox.get(outcome.key)
            if owed is not None and not owed.fenced(outcome):
                self._settle(owed, outcome)
        self._remark(marks)
        if receiver is not None:
            self._receivers[receiver.name] = receiver
        return self._apply(commit) if commit is not None else []

    def _settle(self, owed: Owed, outcome: Settlement) -> None:
        if outcome.entry is not None:
            self._tell(outcome.entry)
        self._count(outcome)
        self._outbox.put(owed.settled(outcome))
        for delivery in outcome.then if not owed.ended else ():
            if delivery.key not in self._outbox:
                self._enter(delivery)

    async def acknowledge(
        self, conversation: str, source: str | None, note: str, now: datetime
    ) -> int:
        count = 0
        for owed in tuple(self._outbox.values()):
            about = owed.topic[1] == conversation and source in (None, owed.topic[0])
            if owed.runs and about:
                count += owed.waits
                self._finish(owed, note, now)
        return count

    async def unclaim(self, receiver: str | None = None) -> None:
        for owed in tuple(self._outbox.values()):
            if receiver in (None, owed.delivery.receiver):
                self._outbox.put(replace(owed, lease=None))

    async def renew(self, receiver: str, until: datetime) -> None:
        for owed in tuple(self._outbox.values()):
            if owed.lease is not None and owed.waits and owed.delivery.receiver == receiver:
                self._outbox.put(replace(owed, lease=until))

    async def next_due(self, receiver: str, *, after: datetime | None = None) -> datetime | None:
        dues = (owed.delivery.due for owed in self._outbox.waiting(receiver))
        return min((due for due in dues if after is None or due > after), default=None)

    async def sent_since(self, receiver: str, since: datetime) -> Sequence[datetime]:
        rows = (owed.delivery for owed in self._outbox.sent_since(receiver, since))
        sent = {(one.settled, one.message or one.key) for one in rows}
        return sorted(at for at, _ in sent if at is not None)

    # Reading the log and the outbox

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        found = [recorded for recorded in self._log.values() if matches_event(query, recorded)]
        return found[-query.limit :] if query.limit > 0 else []

    async def deliveries(self, query: DeliveryQuery) -> Sequence[Delivery]:
        rows = self._outbox.values() if query.id is None else self._outbox.named(query.id)
        found = [owed.delivery for owed in rows if matches_delivery(query, owed.delivery)]
        return found[-query.limit :] if query.limit > 0 else []

    async def pending(self) -> Mapping[str, int]:
        return self._outbox.pending()

    # What people and time do to the outbox

    async def retry(self, ids: Collection[str] | None, now: datetime) -> int:
        named = ids is not None
        rows = [owed for owed in self._outbox.values() if owed.repeatable(now, named=named)]
        if ids is not None:
            meant = [owed for owed in rows if {*owed.names} & {*ids}]
            digests = {owed.delivery.message for owed in meant} - {""}
            rows = [owed for owed in rows if owed in meant or owed.delivery.message in digests]
        for owed in rows:
            self._tell(HistoryEntry(owed.delivery.key, now, "retried", RETRIED))
            self._outbox.put(owed.retried(now))
        return len(rows)

    async def retire_unconfigured(
        self,
        receivers: Collection[str],
        rules: Collection[str],
        sources: Collection[str],
        now: datetime,
    ) -> int:
        count = 0
        for owed in tuple(self._outbox.values()):
            changed = owed.reconfigured(receivers, rules, sources, now)
            if owed.waits and not changed.waits:
                count += 1
                self._tell(HistoryEntry(owed.delivery.key, now, "buried", changed.delivery.note))
            self._outbox.put(changed)
        return count

    async def shift_clock(self, by: timedelta, after: datetime) -> None:
        for owed in tuple(self._outbox.values()):
            self._outbox.put(owed.shifted(by, after))

    async def prune(self, events: datetime, deliveries: datetime) -> int:
        before = len(self._outbox) + len(self._log)
        old = [key for key, owed in self._outbox.items() if owed.outlived(deliveries)]
        self._outbox.remove(old)
        carried = {owed.delivery.event.id for owed in self._outbox.values()}
        self._log = {
            id_: recorded
            for id_, recorded in self._log.items()
            if recorded.event.time >= events or id_ in carried
        }
        self._forget_notes(deliveries, self._log)
        return before - len(self._outbox) - len(self._log)

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""
