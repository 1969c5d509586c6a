"""The outbox's rules: which rows may go out, and what becomes of a row.

Rules: pure. No I/O, no clock. Every store decides with these functions. What a row becomes is
decided here alone; a store reads rows, applies a function and writes the result back. `eligible` and
`collected` choose among rows; the memory store calls them, a store with SQL may express the same
choice as a query, and the contract suite compares the two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from watcher.model import Delivery, DeliveryState, Ending, derive_id
from watcher.records import Commit, End, HistoryEntry, Settlement

__all__ = [
    "DIGEST_LIMIT",
    "FORGOTTEN",
    "Change",
    "Counted",
    "OutboxRow",
    "Topic",
    "collected",
    "digest_id",
    "eligible",
    "end_timers",
    "made_at",
    "repeat_alone",
    "repeated",
]

DIGEST_LIMIT = 500
"""The largest number of events in one digest; the rest goes out as another digest."""

RULE_GONE = "the rule is no longer configured"
SOURCE_GONE = "the source is no longer configured"
RETRIED = "to be sent again, by hand"
FORGOTTEN = "the source points to another account"

Counted = Literal["due", "waiting", "held", "dead"]
"""What the rows of a receiver are counted as: as they stand before their time comes, or `dead`."""

Topic = tuple[str, str | None]
"""What a delivery is about: a source and one of its conversations, or None for the source itself."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row of the outbox."""

    delivery: Delivery
    """What is to be sent. A store may leave out the event's data where it only decides."""

    lease: datetime | None = None
    """Until when an attempt is under way; None if none is."""

    ended: bool = False
    """Whether a timer waits no more: its state is over, or a person has acknowledged it."""

    over: bool = False
    """Whether the state is over, so that nobody is still to hear of its end."""

    @property
    def topic(self) -> Topic:
        """What the delivery is about."""
        return self.delivery.event.source, self.delivery.event.subject

    @property
    def names(self) -> tuple[str, ...]:
        """What people may call it: its id, its key, the digest that it went out with."""
        return self.delivery.id, self.delivery.key, self.delivery.message

    @property
    def waits(self) -> bool:
        """Whether it is still to be sent."""
        return self.delivery.state == "pending"

    @property
    def in_order(self) -> bool:
        """Whether later ones of its topic wait for it."""
        return self.waits and self.delivery.ordered

    @property
    def counted(self) -> Counted | None:
        """What it is counted as, None if nobody asks how many there are."""
        one = self.delivery
        if one.state == "dead":
            return "dead"
        if one.state != "pending":
            return None
        if one.held:
            return "held"
        # What `Delivery.stands` says of it once its time has come differs for these alone.
        return "due" if one.kind in ("event", "resolved") or one.attempt else "waiting"

    @property
    def is_timer(self) -> bool:
        """Whether the end of a state ends it (`for`, `repeat`)."""
        return self.delivery.timer is not None

    @property
    def runs(self) -> bool:
        """Whether it is a timer that has not ended, in whatever state the delivery is."""
        return self.is_timer and not self.ended

    @property
    def lasts(self) -> bool:
        """Whether it is a timer whose state is not over."""
        return self.is_timer and not self.over

    @property
    def told(self) -> bool:
        """Whether its receiver has it, or may have it; of what is under way that is not known yet."""
        one = self.delivery
        return one.state == "delivered" or (one.uncertain and self.lease is None)

    def is_out(self, now: datetime) -> bool:
        """Return whether an attempt is under way."""
        return self.lease is not None and self.lease > now

    def keeps_away(self, other: Delivery) -> bool:
        """Return whether it is a running timer of the same rule, receiver, topic and state as `other`."""
        return (
            self.runs
            and self.delivery.timer == other.timer
            and self.delivery.receiver == other.receiver
            and self.delivery.event.type == other.event.type
            and self.topic == (other.event.source, other.event.subject)
        )

    def is_ended_by(self, end: End) -> bool:
        """Return whether it is a timer that `end` is about, acknowledged or not."""
        rule = end.rule in (None, self.delivery.timer)
        state = end.types is None or self.delivery.event.type in end.types
        return self.lasts and rule and state and self.topic == (end.source, end.subject)

    def outlived(self, before: datetime) -> bool:
        """Return whether it was settled before then and may be removed."""
        settled = self.delivery.settled or self.delivery.created
        # A timer stays while its state lasts, even when it is settled: it keeps the same state from
        # starting a second one, and knows who is to hear of the end.
        return not self.waits and not self.lasts and settled < before

    def repeatable(self, now: datetime, *, named: bool) -> bool:
        """Return whether it can be sent again by hand."""
        one = self.delivery
        postponed = self.waits and one.attempt > 0 and one.due > now and not self.is_out(now)
        # `--all-dead` is about dead deliveries; one that is retried anyway must be named.
        return one.state == "dead" or (named and postponed)

    # What becomes of a row

    def after(self, change: Change) -> OutboxRow:
        """Return the row once a change is written."""
        values = dict(change.values)
        lease, ended = values.pop("lease", self.lease), values.pop("ended", self.ended)
        over = values.pop("over", self.over)
        delivery = replace(self.delivery, **values) if values else self.delivery
        return OutboxRow(delivery, lease, ended, over)

    def claimed(self, until: datetime, message: str | None = None) -> Change:
        """Begin its next attempt, as part of the digest `message` if there is one."""
        values: dict[str, Any] = {"attempt": self.delivery.attempt + 1, "lease": until}
        return Change(values if message is None else {**values, "message": message})

    def renewed(self, until: datetime) -> Change:
        """Let its lease, if it has one, end then."""
        return Change({} if self.lease is None else {"lease": until})

    def released(self) -> Change:
        """End its lease: what was under way was cut off."""
        if self.lease is None:
            return Change({})
        if self.waits:
            return Change({"lease": None})
        return Change({"lease": None}, then=_end_messages(self.delivery))

    def fatal(self) -> Change:
        """Count an attempt in which the process died while it wrote the message."""
        return Change({"cut": self.delivery.cut + 1} if self.waits else {})

    def begun(self) -> Change:
        """Note that its message is about to leave: until the outcome is known it may have arrived."""
        return Change({"uncertain": True})

    def shifted(self, by: timedelta, after: datetime) -> Change:
        """Move times later than `after` along with a jump of the clock."""
        values: dict[str, Any] = {}
        if self.waits and self.delivery.due > after:
            values["due"] = self.delivery.due + by
        if self.waits and self.lease is not None and self.lease > after:
            values["lease"] = self.lease + by
        return Change(values)

    def settled(self, outcome: Settlement) -> Change | None:
        """Record what an attempt or a guard decided; None if that attempt is not under way."""
        one = self.delivery
        # The fence: the lease ran out and the row was claimed again. Only the later attempt counts.
        if one.attempt != outcome.attempt:
            return None
        # The state that the row is about may have ended while the attempt was under way.
        then = () if self.ended else outcome.then
        uncertain = one.uncertain if outcome.untried else outcome.uncertain
        # Cancelled or retired while it was out: it does not wait again, but a message that was
        # sent all the same is recorded as delivered.
        if not self.waits and outcome.state != "delivered":
            then += _end_messages(replace(one, uncertain=uncertain))
            return Change({"lease": None, "uncertain": uncertain}, outcome.entry, then)
        attempt = outcome.attempt - outcome.untried
        # The state ended before it was known to have arrived: now that is known, or never will be.
        if outcome.state != "pending":
            then += _end_messages(replace(one, state=outcome.state, uncertain=uncertain))
        values = {
            "state": outcome.state,
            "due": outcome.due,
            "note": outcome.note,
            "settled": outcome.settled,
            "attempt": attempt,
            "rule": outcome.rule or one.rule,
            # A digest given back before its first attempt is not composed yet: rows that become
            # due until the next attempt may still join it.
            "message": outcome.message or (one.message if attempt else ""),
            "batch": outcome.batch or one.batch,
            "held": one.held or outcome.held,
            "aside": one.aside or outcome.aside,
            "reached": outcome.reached or one.reached,
            "uncertain": uncertain,
            "refused": outcome.refused or one.refused,
            # What is given back unsent was in no attempt; what is halved was, and that one ended.
            "cut": one.cut if outcome.untried and outcome.entry is None else 0,
        }
        changed = {name: new for name, new in values.items() if new != getattr(one, name)}
        return Change({**changed, "lease": None}, outcome.entry, then)

    def finished(self, note: str, at: datetime | None, *, over: bool = True) -> Change:
        """End a timer; if it waits, it is cancelled with `note`. `over` is whether its state is."""
        ended = {"ended": True, "over": over or self.over}
        if not self.waits:
            return Change(ended)
        entry = HistoryEntry(self.delivery.key, at, "cancelled", note)
        # An attempt that is under way goes on: its lease shows that the message may still arrive.
        closed = {**_closed("cancelled", note, at), "lease": self.lease}
        return Change({**closed, **ended}, entry)

    def retried(self, now: datetime) -> Change:
        """Make it due now, by hand."""
        # A dead delivery begins its schedule again; one that waits for its next attempt goes on.
        values = {"state": "pending", "due": now, "settled": None}
        if self.delivery.state == "dead":
            values |= {"attempt": 0, "refused": 0, "aside": False}
        entry = HistoryEntry(self.delivery.key, now, "retried", RETRIED)
        return Change({**values, "lease": None}, entry)

    def reconfigured(
        self,
        receivers: Collection[str],
        rules: Collection[str],
        sources: Collection[str],
        now: datetime,
    ) -> Change:
        """Retire it if a configuration of only these receivers, rules and sources cannot send it."""
        one = self.delivery
        # What waits for such a receiver is given up with an event (`dispatcher.burial`), not here.
        receiver_gone = one.receiver not in receivers
        # A single event was promised when it was recorded and needs no rule to be sent.
        rule_gone = (self.is_timer and one.timer not in rules) or (
            one.kind == "digest" and one.rule not in rules
        )
        # Without its source, a timer can never be confirmed.
        source_gone = self.is_timer and self.topic[0] not in sources
        if not (receiver_gone or rule_gone or source_gone):
            return Change({})
        # An ended timer starts again should the name come back.
        ended = {"ended": True, "over": True} if self.lasts else {}
        if not self.waits:
            return Change(ended)
        if not (rule_gone or source_gone):
            return Change({})
        values = _closed("cancelled", RULE_GONE if rule_gone else SOURCE_GONE, now)
        entry = HistoryEntry(one.key, now, "buried", values["note"])
        return Change({**values, **ended}, entry)


def _closed(state: DeliveryState, note: str, at: datetime | None) -> dict[str, Any]:
    return {"state": state, "note": note, "settled": at, "lease": None}


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one row; a store writes all of it in one transaction."""

    values: Mapping[str, Any]
    """New values by name: of fields of the delivery, of `lease` and of `ended`; perhaps none."""

    entry: HistoryEntry | None = None
    """What the history records, None for nothing."""

    then: tuple[Delivery, ...] = ()
    """Deliveries to add to the outbox."""


def repeat_alone(rows: Sequence[OutboxRow]) -> frozenset[str]:
    """Return the ids of the events whose own, immediate deliveries were the first messages of timers:
    a rule with `repeat` and no `for` sends the event at once.
    """
    first: dict[tuple[str, str | None], int] = {}
    for one in (row.delivery for row in rows):
        chain = one.event.id, one.timer
        first[chain] = min(one.number, first.get(chain, one.number))
    return frozenset(event for (event, _), number in first.items() if number > 1)


def end_timers(
    end: End, timers: Sequence[OutboxRow], begun: Sequence[OutboxRow], at: datetime | None
) -> Sequence[tuple[OutboxRow, Change]]:
    """Return what becomes of timers whose state is over, and who hears of it.

    `begun` are the immediate deliveries of `repeat_alone`. Of a rule with `resolved`, each receiver
    that was told hears once that it is over. Where a message is still under way, or is owed since
    the event was recorded, the end follows as soon as that is known to have arrived.
    """
    changes = {row.delivery.key: (row, row.finished(end.note, at)) for row in timers}
    for rule in sorted({str(row.delivery.timer) for row in timers} & end.resolved):
        mine = [row for row in timers if row.delivery.timer == rule]
        alone = repeat_alone(mine)
        witnesses = [row for row in begun if row.delivery.event.id in alone] + mine
        ending = Ending(at or _newest_due(mine), end.note, (rule,), end.conversation, end.waited)
        for receiver in sorted({row.delivery.receiver for row in witnesses}):
            there = [row for row in witnesses if row.delivery.receiver == receiver]
            told = [row for row in there if row.told]
            if told:
                last = max(told, key=lambda row: (row.delivery.created, row.delivery.number))
                then = _end_messages(replace(last.delivery, ending=ending))
                row, change = changes.get(last.delivery.key, (last, Change({})))
                changes[row.delivery.key] = row, replace(change, then=change.then + then)
                continue
            for row in there:
                if row.lease is None and (row.is_timer or not row.waits):
                    continue
                known = row.delivery.ending
                owed = ending if known is None else replace(known, rules=(*known.rules, rule))
                row, change = changes.get(row.delivery.key, (row, Change({})))
                changed = replace(change, values={**change.values, "ending": owed})
                changes[row.delivery.key] = row, changed
    return tuple(changes.values())


def _newest_due(rows: Sequence[OutboxRow]) -> datetime:
    return max(row.delivery.due for row in rows)


def _end_messages(told: Delivery) -> tuple[Delivery, ...]:
    """Return the messages that tell its receiver of an end, if it has or may have the message."""
    ending = told.ending
    if ending is None or told.kind == "resolved" or not told.told:
        return ()
    number = told.number + 1
    return tuple(
        Delivery(
            # A state ends once, whatever message it was that turned out to have arrived.
            derive_id("resolved", told.event.id, rule),
            told.event,
            told.receiver,
            rule,
            due=ending.at,
            created=ending.at,
            kind="resolved",
            number=number,
            ending=replace(ending, rules=(rule,)),
            redirected=told.redirected,
        )
        for rule in ending.rules
    )


def repeated(
    rows: Iterable[OutboxRow], ids: Collection[str] | None, now: datetime
) -> Sequence[OutboxRow]:
    """Return the rows that a person means to send again: those with one of the names `ids`, or
    (None) all dead ones. The rows of a digest go together.
    """
    rows = [row for row in rows if row.repeatable(now, named=ids is not None)]
    if ids is None:
        return rows
    wanted = {*ids}
    meant = {row.delivery.key for row in rows if wanted.intersection(row.names)}
    digests = {row.delivery.message for row in rows if row.delivery.key in meant} - {""}
    return [row for row in rows if row.delivery.key in meant or row.delivery.message in digests]


def eligible(
    waiting: Iterable[OutboxRow], now: datetime, *, limit: int, together: bool = False
) -> Sequence[OutboxRow]:
    """Return up to `limit` rows that may go out, of a receiver's waiting rows in the order of the
    outbox: those that are due, longest due first, and of what is ordered the first of each topic,
    unless one of the topic is out. What waits for a digest is left out (`collected`).

    With `together`, of each topic all rows up to the first that is not due. None overtakes an earlier
    one of its topic; those chosen keep the order of the outbox.
    """
    waiting = tuple(row for row in waiting if not row.delivery.batch)
    out = {row.topic for row in waiting if row.in_order and row.is_out(now)}
    # By topic: until when what goes before the next row has waited; None once nothing may follow.
    ahead: dict[Topic, datetime | None] = dict.fromkeys(out)
    chosen = []
    for place, row in enumerate(waiting):
        since, due = row.delivery.due, row.delivery.due <= now and not row.is_out(now)
        if row.in_order:
            before = ahead.get(row.topic, since)
            due = due and before is not None
            since = max(since, before or since)
            ahead[row.topic] = since if due and together else None
        if due:
            chosen.append((since, place, row))
    chosen = sorted(chosen, key=lambda one: one[:2])[:limit]
    if together:
        chosen.sort(key=lambda one: one[1])
    return [row for _, _, row in chosen]


def collected(waiting: Iterable[OutboxRow], now: datetime) -> Sequence[OutboxRow]:
    """Return the rows of the digest that is longest due, of a receiver's waiting rows in the order
    of the outbox. A digest that was composed before consists of the same rows again.
    """
    due = [
        row
        for row in waiting
        if row.delivery.batch and row.delivery.due <= now and not row.is_out(now)
    ]
    if not due:
        return ()
    first = min(due, key=lambda row: row.delivery.due)
    group = first.delivery.batch, first.delivery.message
    rows = [row for row in due if (row.delivery.batch, row.delivery.message) == group]
    return rows[:DIGEST_LIMIT]


def digest_id(rows: Sequence[OutboxRow]) -> str:
    """Return the id of the digest of these rows: the one it was composed with, or a new one."""
    first = rows[0].delivery
    return first.message or derive_id("digest", first.event.id, first.rule, len(rows))


def made_at(commit: Commit) -> datetime | None:
    """Return when a commit was decided: the time of its newest event or observation, or else the
    one it states.
    """
    times = [event.time for event in commit.events]
    times += [snapshot.observed for snapshot in commit.snapshots]
    return max(times, default=commit.at)
