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
from typing import Any

from watcher.model import Delivery, DeliveryState, derive_id
from watcher.records import Commit, End, HistoryEntry, Settlement

__all__ = [
    "DIGEST_LIMIT",
    "FAILED_OFTEN",
    "FORGOTTEN",
    "Change",
    "OutboxRow",
    "Topic",
    "collected",
    "digest_id",
    "eligible",
    "made_at",
    "repeated",
]

FAILED_OFTEN = 3
"""The number of attempts after which a waiting delivery no longer blocks later ones (`relaxed`)."""

DIGEST_LIMIT = 500
"""The largest number of events in one digest; the rest goes out as another digest."""

RECEIVER_GONE = "the receiver is no longer configured"
RULE_GONE = "the rule is no longer configured"
SOURCE_GONE = "the source is no longer configured"
RETRIED = "to be sent again, by hand"
FORGOTTEN = "the source points to another account"

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
    """Whether the state that a timer waits for is over."""

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
    def is_timer(self) -> bool:
        """Whether the end of a state ends it (`for`, `repeat`)."""
        return self.delivery.timer is not None

    @property
    def runs(self) -> bool:
        """Whether it is a timer that has not ended, in whatever state the delivery is."""
        return self.is_timer and not self.ended

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
        """Return whether it is a running timer that `end` is about."""
        rule = end.rule in (None, self.delivery.timer)
        state = end.types is None or self.delivery.event.type in end.types
        return self.runs and rule and state and self.topic == (end.source, end.subject)

    def outlived(self, before: datetime) -> bool:
        """Return whether it was settled before then and may be removed."""
        settled = self.delivery.settled or self.delivery.created
        # A running timer stays even when it is settled: it keeps the same state from starting a
        # second one.
        return not self.waits and not self.runs and settled < before

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
        delivery = replace(self.delivery, **values) if values else self.delivery
        return OutboxRow(delivery, lease, ended)

    def claimed(self, until: datetime, message: str | None = None) -> Change:
        """Begin its next attempt, as part of the digest `message` if there is one."""
        values: dict[str, Any] = {"attempt": self.delivery.attempt + 1, "lease": until}
        return Change(values if message is None else {**values, "message": message})

    def renewed(self, until: datetime) -> Change:
        """Let its lease, if it has one, end then."""
        return Change({} if self.lease is None else {"lease": until})

    def released(self) -> Change:
        """End its lease."""
        return Change({"lease": None})

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
        # Cancelled or retired while it was out: it does not wait again, but a message that was
        # sent all the same is recorded as delivered.
        if not self.waits and outcome.state != "delivered":
            return Change({}, outcome.entry, then)
        attempt = outcome.attempt - outcome.untried
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
            "reached": outcome.reached or one.reached,
        }
        changed = {name: new for name, new in values.items() if new != getattr(one, name)}
        return Change({**changed, "lease": None}, outcome.entry, then)

    def finished(self, note: str, at: datetime | None) -> Change:
        """End a timer whose state is over; if it waits, it is cancelled with `note`."""
        if not self.waits:
            return Change({"ended": True})
        entry = HistoryEntry(self.delivery.key, at, "cancelled", note)
        return Change({**_closed("cancelled", note, at), "ended": True}, entry)

    def retried(self, now: datetime) -> Change:
        """Make it due now, by hand."""
        # A dead delivery begins its schedule again; one that waits for its next attempt goes on.
        attempt = 0 if self.delivery.state == "dead" else self.delivery.attempt
        values = {"state": "pending", "due": now, "attempt": attempt, "settled": None}
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
        ended = {"ended": True} if self.runs else {}
        if not self.waits:
            return Change(ended)
        if receiver_gone:
            values = _closed("dead", RECEIVER_GONE, now)
        else:
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
    waiting: Iterable[OutboxRow],
    now: datetime,
    *,
    limit: int,
    relaxed: bool,
    together: bool = False,
) -> Sequence[OutboxRow]:
    """Return up to `limit` rows that may go out, of a receiver's waiting rows in the order of the
    outbox: those that are due, longest due first, and at most one ordered delivery of a topic.
    Digests are left out (`collected`).

    With `relaxed`, a delivery that has failed often lets later ones pass while it waits for its
    next attempt; when both could go, the earlier one does. With `together`, all due deliveries of
    a topic are chosen, up to the first that is not due, and all keep the order of the outbox.
    """
    waiting = tuple(row for row in waiting if row.delivery.kind != "digest")
    closed = {row.topic for row in waiting if row.delivery.ordered and row.is_out(now)}
    chosen = []
    for row in waiting:
        ordered = row.delivery.ordered
        due = row.delivery.due <= now and not row.is_out(now)
        if due and (not ordered or row.topic not in closed):
            chosen.append(row)
        stands_back = relaxed and not due and row.delivery.attempt >= FAILED_OFTEN
        if ordered and not stands_back and not (together and due):
            closed.add(row.topic)
    if not together:
        chosen.sort(key=lambda row: row.delivery.due)
    return chosen[:limit]


def collected(waiting: Iterable[OutboxRow], now: datetime) -> Sequence[OutboxRow]:
    """Return the rows of the digest that is longest due, of a receiver's waiting rows in the order
    of the outbox. A digest that was composed before consists of the same rows again.
    """
    due = [
        row
        for row in waiting
        if row.delivery.kind == "digest" and row.delivery.due <= now and not row.is_out(now)
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
