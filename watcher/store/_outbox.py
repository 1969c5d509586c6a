"""The outbox's rules as pure functions over its rows: what is eligible, and what a row becomes.

Law: no I/O, no clock. The memory store is made of these functions; the SQL of other stores says
the same, and the contract suite compares them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from watcher.model import Delivery
from watcher.records import Commit, End, Settlement

__all__ = [
    "FAILED_OFTEN",
    "FORGOTTEN",
    "RECEIVER_GONE",
    "RULE_GONE",
    "SOURCE_GONE",
    "Owed",
    "eligible",
    "made_at",
]

FAILED_OFTEN = 3
"""From so many attempts on, a waiting delivery no longer holds up later ones (`relaxed`)."""

RECEIVER_GONE = "the receiver is no longer configured"
RULE_GONE = "the rule is no longer configured"
SOURCE_GONE = "the source is no longer configured"
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
    def waits(self) -> bool:
        """Whether it is still to be sent."""
        return self.delivery.state == "pending"

    @property
    def timer(self) -> bool:
        """Whether it waits for a rule's `for`."""
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

    def claimed(self, until: datetime) -> Owed:
        """Give the row once its next attempt is under way."""
        delivery = replace(self.delivery, attempt=self.delivery.attempt + 1)
        return replace(self, delivery=delivery, lease=until)

    def settled(self, outcome: Settlement) -> Owed:
        """Give the row after an attempt, unchanged where the fence forbids it.

        What was cancelled or buried while it was out does not wait again; that it went out all
        the same is recorded.
        """
        if self.delivery.attempt != outcome.attempt:
            return self
        if not self.waits and outcome.state != "delivered":
            return self
        delivery = replace(
            self.delivery,
            state=outcome.state,
            due=outcome.due,
            note=outcome.note,
            settled=outcome.settled,
            attempt=outcome.attempt - outcome.untried,
        )
        return replace(self, delivery=delivery, lease=None)

    def retried(self, now: datetime) -> Owed:
        """Give the row of a dead delivery that is to be sent after all."""
        delivery = replace(self.delivery, state="pending", due=now, attempt=0, settled=None)
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
        rule_gone = self.timer and self.delivery.timer not in rules
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
    the outbox: what is due, longest due first, one immediate delivery of a topic at most.

    With `relaxed`, one that has often failed lets later ones pass while it waits for its next
    attempt; when both could go, the earlier does. With `together`, all that are due of a topic
    are chosen, up to one that is not, and all keep the order in which they entered.
    """
    waiting = tuple(waiting)
    closed = {owed.topic for owed in waiting if not owed.timer and owed.is_out(now)}
    chosen = []
    for owed in waiting:
        due = owed.delivery.due <= now and not owed.is_out(now)
        if due and (owed.timer or owed.topic not in closed):
            chosen.append(owed)
        stands_back = relaxed and not due and owed.delivery.attempt >= FAILED_OFTEN
        if not owed.timer and not stands_back and not (together and due):
            closed.add(owed.topic)
    if not together:
        chosen.sort(key=lambda owed: owed.delivery.due)
    return chosen[:limit]


def made_at(commit: Commit) -> datetime | None:
    """Tell when a commit was decided: it carries no clock of its own, but its newest event or
    observation does. None where it has neither.
    """
    times = [event.time for event in commit.events]
    times += [snapshot.observed for snapshot in commit.snapshots]
    return max(times, default=None)
