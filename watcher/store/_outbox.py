"""The outbox's rules as pure functions over its rows: what is eligible, and what a row becomes.

Law: no I/O, no clock. The memory store is made of these functions; the SQL of other stores says
the same, and the contract suite compares them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watcher.model import Delivery, derive_id
from watcher.records import Commit, End, Settlement

__all__ = [
    "DIGESTED_AT_MOST",
    "FAILED_OFTEN",
    "FORGOTTEN",
    "RECEIVER_GONE",
    "RETRIED",
    "RULE_GONE",
    "SOURCE_GONE",
    "Owed",
    "collected",
    "digest_id",
    "eligible",
    "made_at",
]

FAILED_OFTEN = 3
"""From so many attempts on, a waiting delivery no longer holds up later ones (`relaxed`)."""

DIGESTED_AT_MOST = 500
"""So many events go out as one digest at most; what exceeds that is a further one."""

RECEIVER_GONE = "the receiver is no longer configured"
RULE_GONE = "the rule is no longer configured"
SOURCE_GONE = "the source is no longer configured"
RETRIED = "to be sent again, by hand"
FORGOTTEN = "the source points to another account"


@dataclass(frozen=True, slots=True)
class Owed:
    """A row of the outbox: a delivery, until when it is out, and whether its timer has ended."""

    delivery: Delivery
    lease: datetime | None = None
    ended: bool = False

    @property
    def topic(self) -> tuple[str, str | None]:
        """What it is about: a conversation of a source, or (None) the source itself."""
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
    def timer(self) -> bool:
        """Whether an observed end of a state ends it (`for`, `repeat`)."""
        return self.delivery.timer is not None

    @property
    def runs(self) -> bool:
        """Whether it is a timer that has not ended, in whatever state: it keeps others away."""
        return self.timer and not self.ended

    def is_out(self, now: datetime) -> bool:
        """Whether somebody has claimed it and its lease still runs."""
        return self.lease is not None and self.lease > now

    def keeps_away(self, other: Delivery) -> bool:
        """Whether it is a running timer of the same rule, receiver and topic as `other`."""
        return (
            self.runs
            and self.delivery.timer == other.timer
            and self.delivery.receiver == other.receiver
            and self.topic == (other.event.source, other.event.subject)
        )

    def concerns(self, end: End) -> bool:
        """Whether it is a running timer that `end` ends."""
        rule = end.rule in (None, self.delivery.timer)
        return self.runs and rule and self.topic == (end.source, end.subject)

    def finished(self, note: str, at: datetime | None) -> Owed:
        """Give the row of a timer that has ended; if it still waited, it is cancelled."""
        if not self.waits:
            return replace(self, ended=True)
        delivery = replace(self.delivery, state="cancelled", note=note, settled=at)
        return Owed(delivery, ended=True)

    def claimed(self, until: datetime, message: str | None = None) -> Owed:
        """Give the row once its next attempt is under way (as part of a digest: `message`)."""
        one = self.delivery
        message = one.message if message is None else message
        return replace(
            self, delivery=replace(one, attempt=one.attempt + 1, message=message), lease=until
        )

    def fenced(self, outcome: Settlement) -> bool:
        """Whether an outcome is not that of the attempt that is under way."""
        return self.delivery.attempt != outcome.attempt

    def settled(self, outcome: Settlement) -> Owed:
        """Give the row after an attempt, unchanged where the fence forbids it.

        What was cancelled or buried while it was out does not wait again; that it went out all
        the same is recorded. A digest that was given back before its first attempt is not yet
        composed.
        """
        if self.fenced(outcome) or (not self.waits and outcome.state != "delivered"):
            return self
        one = self.delivery
        attempt = outcome.attempt - outcome.untried
        message = one.message if attempt else ""
        delivery = replace(
            one,
            state=outcome.state,
            due=outcome.due,
            note=outcome.note,
            settled=outcome.settled,
            attempt=attempt,
            rule=outcome.rule or one.rule,
            message=outcome.message or message,
            batch=outcome.batch or one.batch,
            held=one.held or outcome.held,
            reached=outcome.reached or one.reached,
        )
        return replace(self, delivery=delivery, lease=None)

    def repeatable(self, now: datetime, *, named: bool) -> bool:
        """Whether a person may have it sent again: it is dead, or it failed and waits for its next
        attempt (only if it is named).
        """
        one = self.delivery
        postponed = self.waits and one.attempt > 0 and one.due > now and not self.is_out(now)
        return one.state == "dead" or (named and postponed)

    def shifted(self, by: timedelta, after: datetime) -> Owed:
        """Give the row after a jump of the clock."""
        if not self.waits:
            return self
        due, lease = self.delivery.due, self.lease
        delivery = replace(self.delivery, due=due + by) if due > after else self.delivery
        moved = lease + by if lease is not None and lease > after else lease
        return replace(self, delivery=delivery, lease=moved)

    def retried(self, now: datetime) -> Owed:
        """Give the row of a delivery that is to be sent now; a dead one as if never tried."""
        attempt = 0 if self.delivery.state == "dead" else self.delivery.attempt
        delivery = replace(self.delivery, state="pending", due=now, attempt=attempt, settled=None)
        return replace(self, delivery=delivery, lease=None)

    def reconfigured(
        self,
        receivers: Collection[str],
        rules: Collection[str],
        sources: Collection[str],
        now: datetime,
    ) -> Owed:
        """Give the row under a configuration with these receivers, rules and sources only.

        A timer whose receiver, rule or source is gone has ended, so that it starts anew should
        the name come back.
        """
        receiver_gone = self.delivery.receiver not in receivers
        one = self.delivery
        rule_gone = (self.timer and one.timer not in rules) or (
            one.kind == "digest" and one.rule not in rules
        )
        source_gone = self.timer and self.topic[0] not in sources
        if not (receiver_gone or rule_gone or source_gone):
            return self
        ended = self.ended or self.timer
        if not self.waits:
            return replace(self, ended=ended)
        if receiver_gone:
            delivery = replace(self.delivery, state="dead", note=RECEIVER_GONE, settled=now)
        else:
            note = RULE_GONE if rule_gone else SOURCE_GONE
            delivery = replace(self.delivery, state="cancelled", note=note, settled=now)
        return Owed(delivery, ended=ended)

    def outlived(self, before: datetime) -> bool:
        """Whether it was settled (or, where no time is known, made) before then and may go."""
        settled = self.delivery.settled or self.delivery.created
        return not self.waits and not self.runs and settled < before


def eligible(
    waiting: Iterable[Owed], now: datetime, *, limit: int, relaxed: bool, together: bool = False
) -> Sequence[Owed]:
    """Choose up to `limit` of a receiver's waiting rows, given in the order in which they entered
    the outbox: what is due, longest due first, one ordered delivery of a topic at most. Digests
    are not among them (`collected`).

    With `relaxed`, one that has often failed lets later ones pass while it waits for its next
    attempt; when both could go, the earlier does. With `together`, all that are due of a topic
    are chosen, up to one that is not, and all keep the order in which they entered.
    """
    waiting = tuple(owed for owed in waiting if owed.delivery.kind != "digest")
    closed = {owed.topic for owed in waiting if owed.delivery.ordered and owed.is_out(now)}
    chosen = []
    for owed in waiting:
        ordered = owed.delivery.ordered
        due = owed.delivery.due <= now and not owed.is_out(now)
        if due and (not ordered or owed.topic not in closed):
            chosen.append(owed)
        stands_back = relaxed and not due and owed.delivery.attempt >= FAILED_OFTEN
        if ordered and not stands_back and not (together and due):
            closed.add(owed.topic)
    if not together:
        chosen.sort(key=lambda owed: owed.delivery.due)
    return chosen[:limit]


def collected(waiting: Iterable[Owed], now: datetime) -> tuple[Sequence[Owed], str]:
    """Choose the rows of the digest that is longest due, among a receiver's waiting rows in their
    order, and give its id. One that was composed before goes out with the same rows again.
    """
    due = [
        owed
        for owed in waiting
        if owed.delivery.kind == "digest" and owed.delivery.due <= now and not owed.is_out(now)
    ]
    if not due:
        return (), ""
    first = min(due, key=lambda owed: owed.delivery.due)
    group = first.delivery.batch, first.delivery.message
    rows = [owed for owed in due if (owed.delivery.batch, owed.delivery.message) == group]
    rows = rows[:DIGESTED_AT_MOST]
    return rows, first.delivery.message or digest_id(rows[0].delivery, len(rows))


def digest_id(first: Delivery, count: int) -> str:
    """Derive the id of a digest from its first event, its rule and the count."""
    return derive_id("digest", first.event.id, first.rule, count)


def made_at(commit: Commit) -> datetime | None:
    """Tell when a commit was decided: by its newest event or observation, or as it says itself.
    None where it has neither.
    """
    times = [event.time for event in commit.events]
    times += [snapshot.observed for snapshot in commit.snapshots]
    return max(times, default=commit.at)
