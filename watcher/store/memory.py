"""The store in dictionaries: the specification of every other store, and what rule tests use.

Rules: clear before fast. Each method does its work without awaiting anything, so that no other
task sees half of it and no cancellation interrupts it; all checks come before the first change.
"""

from __future__ import annotations

import itertools
import re
import secrets
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from watcher.errors import Conflict, StoreError
from watcher.model import CONVERSATION, Delivery, Doubt, Event, IdSet, Snapshot
from watcher.pipeline.forgetting import nothing_but_numbers
from watcher.records import (
    OVER,
    Acknowledgement,
    Action,
    Attention,
    Backlog,
    Commit,
    ConversationPlace,
    ConversationQuery,
    DeliveryQuery,
    Done,
    Entered,
    EventQuery,
    HistoryEntry,
    IdKind,
    Queue,
    Reason,
    ReceiverState,
    Recorded,
    RuleResult,
    Settlement,
    SourceState,
    Space,
    StoredSilence,
    Suppressed,
    Tally,
    TallyQuery,
    ThrottleMark,
    asked_words,
    place_of,
)
from watcher.store.border import Scrub, commit_without, receiver_without, settlement_without
from watcher.store.outbox import (
    FORGOTTEN,
    Change,
    OutboxRow,
    Topic,
    collected,
    digest_id,
    eligible,
    end_timers,
    made_at,
    repeat_alone,
    repeated,
)
from watcher.store.tallies import Counted, begun, hour_of, hours_of, of_change, of_events
from watcher.store.withholding import (
    conversation_without,
    plain_without,
    snapshot_without,
    verdicts_without,
)

__all__ = ["MemoryStore", "OutboxTable"]

K = TypeVar("K")
T = TypeVar("T")

LATEST = datetime.max.replace(tzinfo=UTC)


class MemoryStore:
    """Implements `watcher.store.Store`; nothing outlives the process."""

    def __init__(self) -> None:
        self.scrub: Scrub = str
        self._sources: dict[str, SourceState] = {}
        self._receivers: dict[str, ReceiverState] = {}
        self.disk: Space | None = None
        """What `space` returns: a test's disk."""
        self._snapshots: dict[str, dict[str, Snapshot]] = {}
        self._sizes: dict[str, int] = {}
        self._log: dict[str, Recorded] = {}
        self._last = 0
        self._outbox = OutboxTable()
        self._writing = ""
        self._history: dict[str, list[HistoryEntry]] = {}
        self._verdicts: dict[str, tuple[RuleResult, ...]] = {}
        self._marks: dict[tuple[str, str, str], ThrottleMark] = {}
        self._silences: dict[str, StoredSilence] = {}
        self._suppressed: dict[str, Suppressed] = {}
        self._tallies: Counter[Counted] = Counter()
        self._actions: list[Done] = []
        self._acted = 0
        self._taken: dict[tuple[str, str], tuple[Acknowledgement, int]] = {}
        """By source and conversation, with the newest place in the log then."""
        self._key = secrets.token_bytes(32)
        self._link_keys: tuple[bytes, ...] = (secrets.token_bytes(32),)
        self._keeps_texts = True

    async def lost(self) -> str:
        """Return nothing: what this process holds cannot be taken from it."""
        return ""

    async def space(self) -> Space | None:
        return self.disk

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    # Sources and conversations

    async def key(self) -> bytes:
        return self._key

    async def link_keys(self) -> tuple[bytes, ...]:
        return self._link_keys

    async def renew_link_key(self, action: Action, *, keep: bool) -> None:
        self._link_keys = (secrets.token_bytes(32), *(self._link_keys[:1] if keep else ()))
        self._act(action)

    async def source(self, name: str) -> SourceState | None:
        return self._sources.get(name)

    async def sources(self) -> Sequence[SourceState]:
        return [self._sources[name] for name in sorted(self._sources)]

    async def known(self, source: str, ids: Collection[str]) -> Mapping[str, Snapshot]:
        stored = self._snapshots.get(source, {})
        return {id_: stored[id_] for id_ in ids if id_ in stored}

    async def size(self, source: str) -> int:
        return self._sizes.get(source, 0)

    async def present_ids(self, source: str) -> Collection[str]:
        stored = self._snapshots.get(source, {})
        return frozenset(id_ for id_, snapshot in stored.items() if snapshot.present)

    async def doubts(self, source: str) -> Mapping[str, Doubt]:
        stored = self._snapshots.get(source, {})
        return {
            id_: snapshot.doubt
            for id_, snapshot in stored.items()
            if snapshot.present and snapshot.doubt is not None
        }

    async def ids_in_set(self, source: str, name: IdSet) -> Collection[str]:
        stored = self._snapshots.get(source, {})
        return frozenset(
            id_
            for id_, snapshot in stored.items()
            if snapshot.present and _is_in_set(snapshot, name)
        )

    async def commit(self, commit: Commit) -> Sequence[Recorded]:
        commit = commit_without(commit, self.scrub)
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
            self._sizes.pop(commit.source, None)
            lasting = [row for row in self._outbox.values() if row.lasts]
            timers = [row for row in lasting if row.topic[0] == commit.source]
            self._change(timers, lambda row: row.finished(FORGOTTEN, at))
        stored = self._snapshots.setdefault(commit.source, {})
        for id_, snapshot in stored.items() if commit.forget_fields else ():
            stored[id_] = replace(snapshot, seen=snapshot.seen - commit.forget_fields)
        for snapshot in commit.snapshots:
            before = stored.get(snapshot.conversation.id)
            grown = _size(snapshot) - (0 if before is None else _size(before))
            self._sizes[commit.source] = self._sizes.get(commit.source, 0) + grown
            stored[snapshot.conversation.id] = snapshot
        if commit.state is not None:
            self._sources[commit.state.name] = commit.state

        repeated = self._log.keys() & {event.id for event in commit.events}
        new = [self._record(event) for event in commit.events if event.id not in self._log]
        self._tallies.update(of_events([one.event for one in new], commit.verdicts))
        for recorded in new:
            if verdicts := commit.verdicts.get(recorded.event.id):
                self._verdicts[recorded.event.id] = verdicts
        for end in commit.ends:
            about = self._outbox.timers((end.source, end.subject))
            timers = [row for row in about if row.is_ended_by(end)]
            alone = repeat_alone(timers) if end.resolved else ()
            begun = [row for id_ in alone for row in self._outbox.named(id_)]
            for row, change in end_timers(end, timers, begun, at):
                self._write(row, change)
        for delivery in commit.deliveries:
            # The change was reported before, with the deliveries it led to then.
            if delivery.event.id not in repeated:
                self._add(delivery)
        self._act(commit.action)
        return [recorded for recorded in new if not recorded.event.existing]

    def _record(self, event: Event) -> Recorded:
        self._last += 1
        recorded = self._log[event.id] = Recorded(self._last, event)
        return recorded

    # The outbox

    def _add(self, delivery: Delivery) -> None:
        """Add a delivery unless a running timer keeps it away."""
        topic = delivery.event.source, delivery.event.subject
        timers = () if delivery.timer is None else self._outbox.timers(topic)
        if not any(row.keeps_away(delivery) for row in timers):
            self._enter(delivery)

    def _enter(self, delivery: Delivery) -> None:
        """Add a delivery once, at the outbox's end; it carries the event as the log has it."""
        if delivery.key not in self._outbox:
            event = self._log[delivery.event.id].event
            self._outbox.put(OutboxRow(replace(delivery, event=event)))

    def _change(self, rows: Iterable[OutboxRow], decide: Callable[[OutboxRow], Change]) -> int:
        """Write what becomes of rows; return how many entries of history that made."""
        entries = 0
        for row in rows:
            change = decide(row)
            self._write(row, change)
            entries += change.entry is not None
        return entries

    def _write(self, row: OutboxRow, change: Change) -> OutboxRow:
        if change.entry is not None:
            self._record_history(change.entry)
        self._tallies.update(of_change(row, change))
        after = row.after(change)
        self._outbox.put(after)
        for delivery in change.then:
            self._enter(delivery)
        return after

    async def claim(
        self,
        receiver: str,
        now: datetime,
        *,
        lease: timedelta,
        limit: int,
        together: bool = False,
    ) -> Sequence[Delivery]:
        waiting = self._outbox.waiting(receiver)
        rows = eligible(waiting, now, limit=limit, together=together)
        taken = [self._write(row, row.claimed(now + lease)) for row in rows]
        return [row.delivery for row in taken]

    async def ready(self, receiver: str, now: datetime) -> bool:
        waiting = tuple(self._outbox.waiting(receiver))
        due = eligible(waiting, now, limit=1)
        return bool(due or collected(waiting, now))

    async def collect(
        self, receiver: str, now: datetime, *, lease: timedelta
    ) -> Sequence[Delivery]:
        rows = collected(self._outbox.waiting(receiver), now)
        message = digest_id(rows) if rows else ""
        taken = [self._write(row, row.claimed(now + lease, message)) for row in rows]
        return [row.delivery for row in taken]

    async def settle(
        self,
        settlements: Sequence[Settlement],
        *,
        receiver: ReceiverState | None = None,
        commit: Commit | None = None,
        marks: Sequence[ThrottleMark] = (),
    ) -> Sequence[Recorded]:
        if commit is not None:
            commit = commit_without(commit, self.scrub)
            self._check(commit)
        if receiver is not None:
            receiver = receiver_without(receiver, self.scrub)
        for outcome in (settlement_without(one, self.scrub) for one in settlements):
            row = self._outbox.get(outcome.key)
            if row is not None and (change := row.settled(outcome)) is not None:
                self._write(row, change)
                self._count_suppressed(outcome)
        self._save_marks(marks)
        if receiver is not None:
            self._receivers[receiver.name] = receiver
        return self._apply(commit) if commit is not None else []

    async def acknowledge(self, source: str, conversation: str, note: str, action: Action) -> int:
        timers = [row for row in self._outbox.timers((source, conversation)) if row.runs]
        about = source, conversation
        if about not in self._taken or not self._lasts(*self._taken[about]):
            self._taken[about] = Acknowledgement(*about, action.at, action.by), self._last
        self._act(action)
        return self._change(timers, lambda row: row.finished(note, action.at, over=False))

    async def take_back(self, source: str, conversation: str, action: Action) -> bool:
        found = self._taken.get((source, conversation))
        if found is None or not self._lasts(*found):
            return False
        del self._taken[source, conversation]
        self._act(action)
        return True

    async def acknowledgements(self) -> Sequence[Acknowledgement]:
        lasting = [taken for taken, seq in self._taken.values() if self._lasts(taken, seq)]
        return sorted(lasting, key=lambda one: (one.at, one.source, one.conversation))

    async def actions(self, *, before: int | None = None, limit: int = 50) -> Sequence[Done]:
        found = [one for one in reversed(self._actions) if before is None or one.seq < before]
        return found[: max(limit, 0)]

    def _lasts(self, taken: Acknowledgement, seq: int) -> bool:
        """Return whether nothing has happened in the conversation since then."""
        about = taken.source, taken.conversation
        return not any(
            one.seq > seq
            and (one.event.source, one.event.subject) == about
            and one.event.type in OVER
            for one in self._log.values()
        )

    def _act(self, action: Action | None) -> None:
        if action is not None:
            self._acted += 1
            self._actions.append(Done(self._acted, action))

    async def unclaim(self, receiver: str | None = None) -> None:
        if receiver is None and self._writing in self._outbox:
            self._change([self._outbox[self._writing]], OutboxRow.fatal)
            self._writing = ""
        rows = [row for row in self._outbox.values() if receiver in (None, row.delivery.receiver)]
        self._change(rows, OutboxRow.released)

    def writing(self, key: str) -> None:
        self._writing = key

    async def begin(self, keys: Collection[str]) -> None:
        self._change([self._outbox[key] for key in keys if key in self._outbox], OutboxRow.begun)

    async def renew(self, receiver: str, until: datetime) -> None:
        self._change(self._outbox.waiting(receiver), lambda row: row.renewed(until))

    async def next_due(self, receiver: str, *, after: datetime | None = None) -> datetime | None:
        dues = (row.delivery.due for row in self._outbox.waiting(receiver))
        return min((due for due in dues if after is None or due > after), default=None)

    async def sent_since(self, receiver: str, since: datetime) -> Sequence[datetime]:
        rows = (row.delivery for row in self._outbox.sent_since(receiver, since))
        sent = {(one.settled, one.message or one.key) for one in rows}
        return sorted(at for at, _ in sent if at is not None)

    async def receivers(self) -> Mapping[str, ReceiverState]:
        return {name: self._receivers[name] for name in sorted(self._receivers)}

    async def save_receiver(self, state: ReceiverState, action: Action | None = None) -> None:
        self._act(action)
        self._receivers[state.name] = receiver_without(state, self.scrub)

    async def pending(self) -> Mapping[str, int]:
        return self._outbox.pending()

    async def queues(self, now: datetime) -> Mapping[str, Queue]:
        queues = {}
        for receiver in self._outbox.pending():
            count = Counter(row.delivery.stands(now) for row in self._outbox.waiting(receiver))
            queues[receiver] = Queue(count["due"], count["waiting"], count["held"])
        return queues

    async def backlog(self, now: datetime) -> Sequence[Backlog]:
        dues: dict[tuple[str, Reason], list[datetime]] = {}
        for receiver in self._outbox.pending():
            ahead = set[Any]()
            for row in self._outbox.waiting(receiver):
                reason = _reason(row.delivery, now, behind=row.topic in ahead)
                dues.setdefault((receiver, reason), []).append(row.delivery.due)
                if row.in_order:
                    ahead.add(row.topic)
        return [Backlog(*key, len(found), min(found)) for key, found in sorted(dues.items())]

    async def dead(self, *, since: datetime | None = None) -> Mapping[str, int]:
        rows = (row.delivery for row in self._outbox.values())
        dead = (one for one in rows if one.state == "dead")
        late = (one for one in dead if since is None or (one.settled and one.settled > since))
        return Counter(one.receiver for one in late)

    async def retry(
        self, ids: Collection[str] | None, now: datetime, action: Action | None = None
    ) -> int:
        rows = repeated(self._outbox.values(), ids, now)
        changed = self._change(rows, lambda row: row.retried(now))
        if changed:
            self._act(action)
        return changed

    async def retire_unconfigured(
        self,
        receivers: Collection[str],
        rules: Collection[str],
        sources: Collection[str],
        now: datetime,
    ) -> int:
        rows = tuple(self._outbox.values())
        return self._change(rows, lambda row: row.reconfigured(receivers, rules, sources, now))

    async def shift_clock(self, by: timedelta, after: datetime) -> None:
        self._change(tuple(self._outbox.values()), lambda row: row.shifted(by, after))

    # Throttle marks and silences

    async def marks(
        self, receiver: str, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], ThrottleMark]:
        found = {pair: self._marks.get((receiver, *pair)) for pair in wanted}
        return {
            pair: mark for pair, mark in found.items() if mark is not None and self._counts(mark)
        }

    def _counts(self, mark: ThrottleMark) -> bool:
        """Return whether the delivery that left the mark went out, or is about to."""
        sent = self._outbox.get(mark.delivery)
        return sent is None or sent.delivery.state not in ("dead", "cancelled")

    def _save_marks(self, marks: Iterable[ThrottleMark]) -> None:
        for mark in marks:
            self._marks[mark.receiver, mark.rule, mark.by] = mark

    async def tallies(self, query: TallyQuery) -> Sequence[Tally]:
        first, end = hours_of(query.since, query.until)
        sums: Counter[tuple[int, str, str]] = Counter()
        for (kind, hour, name, what), count in self._tallies.items():
            asked = kind == query.kind and first <= hour < end and _is_among(query.names, name)
            if asked:
                into = {"hour": hour, "day": hour - hour % 24, "whole": first}[query.step]
                sums[into, name, what] += count
        return [
            Tally(begun(hour), name, what, count)
            for (hour, name, what), count in sorted(sums.items())[: max(query.limit, 0)]
        ]

    async def silences(self) -> Sequence[StoredSilence]:
        return sorted(self._silences.values(), key=lambda one: (one.starts, one.id))

    async def add_silence(self, silence: StoredSilence, action: Action | None = None) -> None:
        self._act(action)
        self._silences[silence.id] = silence

    async def expire_silence(
        self, silence: str, now: datetime, action: Action | None = None
    ) -> bool:
        found = self._silences.get(silence)
        if found is None or found.ends <= now:
            return False
        self._silences[silence] = replace(found, ends=now)
        self._act(action)
        return True

    async def suppressed(self) -> Mapping[str, Suppressed]:
        return dict(self._suppressed)

    def _count_suppressed(self, outcome: Settlement) -> None:
        if outcome.silence and outcome.settled is not None:
            before = self._suppressed.get(outcome.silence)
            count = before.count + 1 if before is not None else 1
            self._suppressed[outcome.silence] = Suppressed(count, outcome.settled)

    # Reading what happened

    async def events(self, query: EventQuery) -> Sequence[Recorded]:
        found = [recorded for recorded in self._log.values() if _matches_event(query, recorded)]
        return _some(found, query.limit, oldest=query.oldest)

    async def deliveries(self, query: DeliveryQuery) -> Sequence[Delivery]:
        return [one.delivery for one in await self.entered(query)]

    async def entered(self, query: DeliveryQuery) -> Sequence[Entered]:
        rows = self._outbox.values() if query.id is None else self._outbox.named(query.id)
        deliveries = (row.delivery for row in rows if _matches_delivery(query, row.delivery))
        found = [
            Entered(place, one)
            for one in deliveries
            if (place := self._outbox.place(one.key)) > (query.after or 0)
            and (query.before is None or place < query.before)
        ]
        return _some(found, query.limit, oldest=query.oldest)

    async def each_event(self, query: EventQuery) -> AsyncIterator[Recorded]:
        for recorded in await self.events(query):
            yield recorded

    async def each_delivery(self, query: DeliveryQuery) -> AsyncIterator[Delivery]:
        for delivery in await self.deliveries(query):
            yield delivery

    async def each_key(self, query: DeliveryQuery) -> AsyncIterator[str]:
        for delivery in await self.deliveries(query):
            yield delivery.key

    async def each_conversation(
        self, query: ConversationQuery
    ) -> AsyncIterator[tuple[str, Snapshot]]:
        found = [
            (source, snapshot)
            for source, snapshots in self._snapshots.items()
            for snapshot in snapshots.values()
            if _matches_conversation(query, source, snapshot)
        ]

        def order(place: ConversationPlace) -> tuple[Any, ...]:
            named, since = (place.source, place.id), place.waiting
            return (place.words, *named) if words else (since is None, since or LATEST, *named)

        words = asked_words(query.words)
        placed = [(order(place_of(name, one.conversation)), (name, one)) for name, one in found]
        after = None if query.after is None else order(query.after)
        more = [
            one for at, one in sorted(placed, key=lambda one: one[0]) if not after or at > after
        ]
        for one in more[: max(query.limit, 0)]:
            yield one

    async def attention(self) -> Mapping[str, Attention]:
        found: dict[str, Attention] = {}
        for source, snapshots in self._snapshots.items():
            present = [one.conversation for one in snapshots.values() if one.present]
            unread = sum(one.unread for one in present)
            waits = [one.waiting_since for one in present if one.waiting_since is not None]
            if unread or waits:
                found[source] = Attention(unread, min(waits, default=None))
        return found

    async def extent(self) -> Mapping[str, int]:
        return {"events": len(self._log), "deliveries": len([*self._outbox.values()])}

    async def ids(self, kind: IdKind, prefix: str, limit: int) -> Sequence[str]:
        known: Iterable[str | None]
        match kind:
            case "event":
                known = self._log
            case "delivery":
                known = self._outbox.names()
            case "conversation":
                told = (recorded.event.subject for recorded in self._log.values())
                known = (*told, *itertools.chain.from_iterable(self._snapshots.values()))
        return sorted({id_ for id_ in known if id_ and id_.startswith(prefix)})[: max(limit, 0)]

    async def history(self, keys: Collection[str]) -> Sequence[HistoryEntry]:
        return [entry for key in sorted(keys) for entry in self._history.get(key, ())]

    def _record_history(self, entry: HistoryEntry) -> None:
        self._history.setdefault(entry.key, []).append(entry)

    async def verdicts(self, events: Collection[str]) -> Mapping[str, Sequence[RuleResult]]:
        return {id_: self._verdicts[id_] for id_ in events if id_ in self._verdicts}

    async def prune(self, events: datetime, deliveries: datetime) -> int:
        before = len(self._outbox) + len(self._log)
        old = [key for key, row in self._outbox.items() if row.outlived(deliveries)]
        self._outbox.remove(old)
        carried = {row.delivery.event.id for row in self._outbox.values()}
        self._log = {
            id_: recorded
            for id_, recorded in self._log.items()
            if recorded.event.time >= events or id_ in carried
        }
        self._history = {k: lines for k, lines in self._history.items() if k in self._outbox}
        self._verdicts = {id_: one for id_, one in self._verdicts.items() if id_ in self._log}
        self._marks = {key: one for key, one in self._marks.items() if one.until >= deliveries}
        self._silences = {id_: one for id_, one in self._silences.items() if one.ends >= deliveries}
        kept = {one: n for one, n in self._tallies.items() if one[1] >= hour_of(events)}
        self._tallies = Counter(kept)
        self._actions = [one for one in self._actions if one.action.at >= events]
        self._taken = {about: one for about, one in self._taken.items() if one[0].at >= events}
        for stored in self._snapshots.values():
            for id_, snapshot in stored.items():
                if not snapshot.present and snapshot.observed < events:
                    stored[id_] = nothing_but_numbers(snapshot)
        self._measure()
        return before - len(self._outbox) - len(self._log)

    def _measure(self) -> None:
        self._sizes = {
            source: sum(map(_size, stored.values())) for source, stored in self._snapshots.items()
        }

    async def keep_texts(self, keep: bool, attributes: Mapping[str, Mapping[str, bool]]) -> bool:
        overwrites, self._keeps_texts = self._keeps_texts and not keep, keep
        if not overwrites:
            return False
        for source, stored in self._snapshots.items():
            for id_, one in stored.items():
                bare, prints = snapshot_without(
                    one.conversation, one.prints, self._key, attributes.get(source, {})
                )
                stored[id_] = replace(one, conversation=bare, prints=prints)
        self._measure()
        for id_, recorded in self._log.items():
            plain = recorded.event.to_plain()
            bare_event = plain_without(plain, attributes.get(recorded.event.source, {}))
            event = replace(recorded.event, data=bare_event["data"])
            self._log[id_] = replace(recorded, event=event)
        self._verdicts = {id_: verdicts_without(one) for id_, one in self._verdicts.items()}
        for key, row in self._outbox.items():
            delivery, ending = row.delivery, row.delivery.ending
            if ending is not None and ending.conversation is not None:
                names = attributes.get(delivery.event.source, {})
                told, _ = conversation_without(ending.conversation, names)
                ending = replace(ending, conversation=told)
            event = self._log[delivery.event.id].event
            delivery = replace(delivery, event=event, ending=ending)
            self._outbox.rewrite(key, replace(row, delivery=delivery))
        self._history = {
            key: [replace(line, excerpt="") for line in lines]
            for key, lines in self._history.items()
        }
        return True


class OutboxTable(Mapping[str, OutboxRow]):
    """Rows by key, in the order in which they entered the outbox.

    Every order and every answer is that of a scan of all rows; the indices make it fast enough to
    run thousands of events again (`backtest`).
    """

    def __init__(self) -> None:
        self._rows: dict[str, OutboxRow] = {}
        self._entered = 0
        self._places: dict[str, int] = {}
        self._waiting: dict[str, set[str]] = {}
        self._timers: dict[Topic, set[str]] = {}
        self._named: dict[str, set[str]] = {}
        self._sent: dict[str, list[tuple[datetime, str]]] = {}

    def __getitem__(self, key: str) -> OutboxRow:
        return self._rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: OutboxRow) -> None:
        """Write a row; a new one enters at the end."""
        key = row.delivery.key
        if key in self._rows:
            self._remove_from_indices(self._rows[key])
        else:
            self._entered += 1
            self._places[key] = self._entered
        self._rows[key] = row
        if row.waits:
            self._waiting.setdefault(row.delivery.receiver, set()).add(key)
        if row.lasts:
            self._timers.setdefault(row.topic, set()).add(key)
        for name in _names(row):
            self._named.setdefault(name, set()).add(key)
        if (at := _delivered_at(row)) is not None:
            insort(self._sent.setdefault(row.delivery.receiver, []), (at, key))

    def rewrite(self, key: str, row: OutboxRow) -> None:
        """Write a row of which nothing has changed that it is found by."""
        self._rows[key] = row

    def remove(self, keys: Collection[str]) -> None:
        """Remove rows."""
        for key in keys:
            self._remove_from_indices(self._rows.pop(key))
            del self._places[key]

    def place(self, key: str) -> int:
        """Return when a row entered, as a number that only grows."""
        return self._places[key]

    def waiting(self, receiver: str) -> Iterable[OutboxRow]:
        """Return a receiver's pending rows."""
        return self._ordered(self._waiting.get(receiver, ()))

    def pending(self) -> Mapping[str, int]:
        """Return the number of pending rows of each receiver that has any."""
        return {receiver: len(keys) for receiver, keys in sorted(self._waiting.items()) if keys}

    def timers(self, topic: Topic) -> Iterable[OutboxRow]:
        """Return the timers about a topic whose state is not over."""
        return self._ordered(self._timers.get(topic, ()))

    def named(self, name: str) -> Iterable[OutboxRow]:
        """Return the rows of an id, and those that went out with the digest of that id."""
        return self._ordered(self._named.get(name, ()))

    def names(self) -> Collection[str]:
        """Return the ids of all rows, and of the digests that they went out with."""
        return self._named

    def sent_since(self, receiver: str, since: datetime) -> Iterable[OutboxRow]:
        """Return what was delivered to a receiver since then."""
        sent = self._sent.get(receiver, [])
        return [self._rows[key] for _, key in sent[bisect_left(sent, (since, "")) :]]

    def _ordered(self, keys: Collection[str]) -> Iterable[OutboxRow]:
        return [self._rows[key] for key in sorted(keys, key=self._places.__getitem__)]

    def _remove_from_indices(self, row: OutboxRow) -> None:
        key = row.delivery.key
        _discard(self._waiting, row.delivery.receiver, key)
        _discard(self._timers, row.topic, key)
        for name in _names(row):
            _discard(self._named, name, key)
        if (at := _delivered_at(row)) is not None:
            sent = self._sent[row.delivery.receiver]
            del sent[bisect_left(sent, (at, key))]


def _names(row: OutboxRow) -> Iterable[str]:
    return {row.delivery.id, row.delivery.message or row.delivery.id}


def _delivered_at(row: OutboxRow) -> datetime | None:
    return row.delivery.settled if row.delivery.state == "delivered" else None


def _discard(lists: dict[K, set[str]], name: K, key: str) -> None:
    """Remove a key from a set, and the set once it is empty."""
    if (keys := lists.get(name)) is not None:
        keys.discard(key)
        if not keys:
            del lists[name]


def _reason(delivery: Delivery, now: datetime, *, behind: bool) -> Reason:
    """Return what a pending delivery waits for; `behind` is whether an earlier one is ahead of it."""
    if behind and delivery.ordered:
        return "order"
    if delivery.due <= now:
        return "due"
    if delivery.held:
        return "hours"
    if delivery.attempt:
        return "retry"
    match delivery.kind:
        case "digest":
            return "digest"
        case "for" | "repeat":
            return "timer"
    return "retry"  # it was put off untried


def _is_in_set(snapshot: Snapshot, name: IdSet) -> bool:
    match name:
        case "unread":
            return snapshot.conversation.unread
        case "unassigned":
            return snapshot.conversation.assignee is None
    raise ValueError(f"there is no id set {name!r}; there are 'unread' and 'unassigned'")


def _some(found: Sequence[T], limit: int, *, oldest: bool) -> Sequence[T]:
    """Return the oldest or newest `limit`."""
    if limit <= 0:
        return []
    return found[:limit] if oldest else found[-limit:]


def _matches_conversation(query: ConversationQuery, source: str, snapshot: Snapshot) -> bool:
    conversation, owner = snapshot.conversation, snapshot.conversation.assignee
    return (
        snapshot.present
        and _is_among(query.sources, source)
        and _is_among(query.ids, conversation.id)
        and not (query.waiting and conversation.waiting_since is None)
        and not (query.unread and not conversation.unread)
        and asked_words(query.words) in place_of(source, conversation).words
        and query.archived in (None, conversation.archived)
        and (
            query.assignee is None
            or (owner is None and not query.assignee)
            or (owner is not None and query.assignee in (owner.id, owner.name))
        )
    )


def _matches_event(query: EventQuery, recorded: Recorded) -> bool:
    event = recorded.event
    return (
        not event.existing
        and (query.after is None or recorded.seq > query.after)
        and (query.before is None or recorded.seq < query.before)
        and (query.since is None or event.time >= query.since)
        and (query.until is None or event.time < query.until)
        and query.fits(event.type)
        and _is_among(query.sources, event.source)
        and _is_among(query.conversations, event.subject)
        and query.id in (None, event.id)
    )


def _size(snapshot: Snapshot) -> int:
    return len(CONVERSATION.adapter.dump_json(snapshot.conversation))


def _matches_delivery(query: DeliveryQuery, delivery: Delivery) -> bool:
    return (
        query.state in (None, delivery.state)
        and not (query.tried and not delivery.attempt)
        and (query.stands is None or delivery.stands(query.stands[1]) == query.stands[0])
        and query.receiver in (None, delivery.receiver)
        and _is_among(query.events, delivery.event.id)
        and _is_among(query.conversations, delivery.event.subject)
        and _is_among(query.sources, delivery.event.source)
        and query.rule in (None, delivery.rule)
        and (query.batch is None or (query.batch, "") == (delivery.batch, delivery.message))
        and _fits_a_glob(query.types, delivery.event.type)
        and (query.since is None or delivery.created >= query.since)
        and (query.until is None or delivery.created < query.until)
        and (query.id is None or query.id in (delivery.id, delivery.message or delivery.id))
    )


def _is_among(wanted: Collection[str], value: str | None) -> bool:
    return not wanted or value in wanted


def _fits_a_glob(globs: Collection[str], text: str) -> bool:
    return not globs or any(_glob(pattern, text) for pattern in globs)


def _glob(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
