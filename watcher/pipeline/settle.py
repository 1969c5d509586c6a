"""What one attempt to deliver means: done, again later, or given up; and what may be sent now.

Rules: pure. Jitter comes from the delivery's id and attempt, never from chance.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from watcher.model import Delivery, Result
from watcher.records import Settlement

__all__ = [
    "FAILING_AFTER",
    "Policy",
    "Room",
    "divide",
    "room",
    "settle",
]

FAILING_AFTER = 3
"""Failed attempts in a row after which a source or a receiver counts as failing."""

ASIDE_AFTER = 3
"""Attempts after which a delivery no longer holds up later ones of its conversation, where the receiver's
order is relaxed or refuses it for itself.
"""

JITTER = 0.1
UNKNOWN = "cut off, the outcome is unknown"
SHORTENED = timedelta(seconds=5)
"""When a refused text goes out as short plain text if the schedule has no further attempt."""

LATEST_RETRY_AFTER = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Policy:
    """How deliveries to one receiver are tried again, and how many messages it takes.

    `retry` are the delays after the first, second, … failed attempt; after the last one a delivery
    is dead. `limit` is (messages, window), None for no limit. `relaxed` lets later deliveries of a
    conversation pass one that failed three times. `once_more` is for receivers where an attempt
    that was cut off may have arrived: it is tried one more time only. `shortens` is for those that
    are sent what was refused once more as short plain text: refused again, it is dead.
    """

    retry: tuple[timedelta, ...]
    limit: tuple[int, timedelta] | None = None
    relaxed: bool = False
    once_more: bool = False
    shortens: bool = False


def settle(
    delivery: Delivery,
    result: Result,
    policy: Policy,
    now: datetime,
    *,
    itself: bool = False,
    spell: int = 1,
) -> Settlement:
    """Decide a delivery's new state from the result of the attempt `delivery.attempt` (from 1).

    `itself` is whether the receiver refused the message for itself (see `pipeline.receivers`),
    `spell` the number of its present spell.
    """
    settled = _settle(delivery, result, policy, now, itself)
    refused = spell if result.outcome == "refused" else 0
    aside = (policy.relaxed or itself) and delivery.attempt >= ASIDE_AFTER
    return dataclasses.replace(
        settled,
        reached=result.reached,
        uncertain=delivery.uncertain or result.outcome == "unknown",
        refused=refused,
        aside=aside and settled.state == "pending",
    )


def _settle(
    delivery: Delivery, result: Result, policy: Policy, now: datetime, itself: bool
) -> Settlement:
    note = result.note
    if result.outcome == "ok":
        return Settlement(delivery.key, delivery.attempt, "delivered", now, note, now)
    # The receiver will never accept it: further attempts would only delay the dead letter.
    if result.outcome == "rejected":
        return Settlement(delivery.key, delivery.attempt, "dead", now, note, now)
    if result.outcome == "refused" and itself and policy.shortens and delivery.refused:
        note = f"refused, also as short plain text: {note}"
        return Settlement(delivery.key, delivery.attempt, "dead", now, note, now)
    if result.outcome == "gone":  # the receiver is turned off; what waits for it stays pending
        return Settlement(delivery.key, delivery.attempt, "pending", now, note, None)
    if result.outcome == "unknown":
        note = f"{UNKNOWN}{f': {note}' if note else ''}"
        # It may have arrived each time: a second repetition would rather annoy than help.
        if policy.once_more and delivery.note.startswith(UNKNOWN):
            return Settlement(delivery.key, delivery.attempt, "dead", now, note, now)
    shortened = result.outcome == "refused" and policy.shortens and not delivery.refused
    if shortened and delivery.attempt > len(policy.retry):
        return Settlement(delivery.key, delivery.attempt, "pending", now + SHORTENED, note, None)
    # The schedule is used up: a person decides.
    if delivery.attempt > len(policy.retry):
        tries = f"{delivery.attempt} attempt{'' if delivery.attempt == 1 else 's'}"
        note = f"given up after {tries}: {note}"
        return Settlement(delivery.key, delivery.attempt, "dead", now, note, now)
    delay = policy.retry[delivery.attempt - 1] * _jitter(delivery.key, delivery.attempt)
    if result.retry_after is not None:
        wish = min(timedelta(seconds=min(result.retry_after, 1e6)), LATEST_RETRY_AFTER)
        delay = max(delay, wish)
    return Settlement(delivery.key, delivery.attempt, "pending", now + delay, note, None)


def _jitter(key: str, attempt: int) -> float:
    """Return a factor within ±10 % that is always the same for this delivery and attempt."""
    digest = hashlib.blake2b(f"{key}#{attempt}".encode(), digest_size=8).digest()
    fraction = int.from_bytes(digest, "big") / 2**64
    return 1 - JITTER + 2 * JITTER * fraction


@dataclass(frozen=True, slots=True)
class Room:
    """What a receiver's limit leaves: `single` messages may go out alone now, the rest must be
    collapsed into one digest (`digest`), or wait until `wait` (None: nothing waits).
    """

    single: int
    digest: bool = False
    wait: datetime | None = None


def divide(
    waiting: Sequence[Delivery], single: int
) -> tuple[list[list[Delivery]], Sequence[Delivery]]:
    """Return due deliveries as messages, at most `single` of them alone and the next as one digest;
    and those that are left for later.

    What is left of a digest that was halved, or has failed, is one message as before.
    """
    alone = list(takewhile(lambda one: not one.message, waiting[:single]))
    rest = waiting[len(alone) :]
    messages = [[one] for one in alone]
    if rest:
        messages.append(list(takewhile(lambda one: one.message == rest[0].message, rest)))
    return messages, waiting[sum(map(len, messages)) :]


def room(
    limit: tuple[int, timedelta] | None,
    sent: Sequence[datetime],
    waiting: int,
    now: datetime,
) -> Room:
    """Return how `waiting` due messages may go out, given the times of those `sent` before."""
    if limit is None:
        return Room(waiting)
    allowed, window = limit
    # A time in the future is from before the clock was set back: its age is unknown.
    recent = sorted(at for at in sent if now - window < at <= now)
    left = allowed - len(recent)
    if left <= 0:
        return Room(0, wait=recent[len(recent) - allowed] + window)
    if waiting <= left:
        return Room(waiting)
    return Room(left - 1, digest=True)
